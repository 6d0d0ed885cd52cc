"""Versions, lineage, promotion: a projection of the files in runs/ onto MLflow, made again at any time."""
