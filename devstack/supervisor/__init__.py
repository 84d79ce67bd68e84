"""The embedded stack: PostgreSQL, Airflow, the embedded services and agents, started and stopped as one."""
