#!/bin/sh
# Bring both databases to the schema of this image, and create the pools that the DAGs name. Safe to run again.
set -eu

airflow db migrate
airflow pools set clearml "$CLEARML_POOL_SLOTS" "Calls to the ClearML API server"
airflow pools set hub "$HUB_POOL_SLOTS" "Commits to the Hugging Face Hub"
python -m palmares.store.migrate # our own database, at AIRFLOW_CONN_PALMARES_DB
