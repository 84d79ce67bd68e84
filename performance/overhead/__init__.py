"""Overhead side by side: the sweep, ClearML's PipelineController and bare Airflow, over the same jobs."""
