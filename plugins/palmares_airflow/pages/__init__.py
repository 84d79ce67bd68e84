"""Pages for operators inside Airflow: the queue, the models' history, and failures by cause."""
