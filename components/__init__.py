"""Diptych: the parts that the flows put in order. Importing any of them does nothing; only a stage's own process imports without a look for garbage."""
