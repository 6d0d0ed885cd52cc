"""Diptych: the parts that the flows put in order. Importing any of them does nothing."""
