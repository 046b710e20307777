"""MLflow: the model registry, its stored weights, and the runs that a reviewer reads."""
