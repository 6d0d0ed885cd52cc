"""Data drawn here, for tests and debug runs."""
