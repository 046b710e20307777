"""One file per sentence: what Lethe does, as Prefect flows, and the command line."""
