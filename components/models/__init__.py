"""Towers, projections and the families built from them: weights and forward, nothing about training."""
