"""From a change in the registry to a run: MLflow's webhooks, or a look every few seconds."""
