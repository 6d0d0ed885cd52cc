"""The one training loop around any method, on Lightning."""
