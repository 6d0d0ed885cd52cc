"""Losses. They take embeddings, never a model, so that any tower can use any loss."""
