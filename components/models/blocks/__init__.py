"""Transformer blocks that several papers put behind or between towers."""
