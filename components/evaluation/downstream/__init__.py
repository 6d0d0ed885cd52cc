"""Pictures that no recipe trains on, to see what a model's features are good for."""
