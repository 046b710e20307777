"""What MLflow and Prefect show of runs and versions: copied from the log and the sealed records."""
