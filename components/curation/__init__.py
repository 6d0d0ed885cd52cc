"""Which samples a recipe trains on: manifest in, manifest out, nothing uncounted."""
