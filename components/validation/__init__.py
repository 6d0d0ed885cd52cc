"""Checks on data: schema, pictures, texts, duplicates; not the split `val`, and not the quality of a model."""
