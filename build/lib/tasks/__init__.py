"""The steps that flows are chained of: one file a step, named by its verb."""
