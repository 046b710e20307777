-- The database `lethe` is made by the image; each system has one of its own beside it.
CREATE DATABASE prefect;
CREATE DATABASE mlflow;
CREATE DATABASE mlflow_auth;
