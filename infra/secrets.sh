#!/bin/sh
# Draw the passwords of compose.yaml into infra/secrets/, once: what is there stays as it is.
set -eu
umask 077
folder=$(dirname "$0")/secrets
mkdir -p "$folder"
draw() { [ -s "$folder/$1" ] || head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' > "$folder/$1"; }
for name in postgres_password store_password mlflow_session mlflow_password; do draw "$name"; done
[ -s "$folder/store_user" ] || printf lethe > "$folder/store_user"
[ -s "$folder/prefect_auth" ] || printf 'lethe:%s' "$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')" > "$folder/prefect_auth"
[ -s "$folder/store_credentials" ] || cat > "$folder/store_credentials" <<CREDENTIALS
[default]
aws_access_key_id = $(cat "$folder/store_user")
aws_secret_access_key = $(cat "$folder/store_password")
CREDENTIALS
# The containers run as another user than you: readable in a folder that only you may enter.
chmod 644 "$folder"/*
chmod 711 "$folder"
