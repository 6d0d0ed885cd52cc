"""Recipes: one YAML a paper, its card and its numbers, and the loader that checks every key of them."""
