"""The whole flow on a small workspace: real DVC, real Prefect, real MLflow; no server, for it has no .venv-serving."""
