"""The servers of one machine: PostgreSQL, S3, Prefect, MLflow, receiver and gateway, kept alive by one supervisor."""
