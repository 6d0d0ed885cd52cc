"""What a run will take, before it: its stages are tried in a workspace beside the workspace."""
