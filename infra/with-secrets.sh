#!/bin/sh
# Puts the passwords of compose.yaml, which come as files, where Lethe looks, and becomes the command:
#   docker compose -f infra/compose.yaml run --rm lethe lethe doctor
set -eu
password=$(cat /run/secrets/postgres_password)
export LETHE_DATABASE_URL="postgresql://lethe:$password@postgres/lethe"
PREFECT_API_AUTH_STRING=$(cat /run/secrets/prefect_auth)
MLFLOW_TRACKING_PASSWORD=$(cat /run/secrets/mlflow_password)
export PREFECT_API_AUTH_STRING MLFLOW_TRACKING_PASSWORD
exec "$@"
