#!/bin/sh
# Create our own database beside Airflow's. PostgreSQL's image runs this once, when its data volume is empty.
set -eu

: "${PALMARES_DB_PASSWORD:?is empty. Run: python3 docker/make_env.py}"

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password PALMARES_DB_PASSWORD
CREATE ROLE palmares LOGIN PASSWORD :'password';
CREATE DATABASE palmares OWNER palmares;
REVOKE ALL ON DATABASE palmares, airflow FROM PUBLIC;
SQL
