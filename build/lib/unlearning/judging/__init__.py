"""From a candidate's answers to measurements, verdicts and the decision."""
