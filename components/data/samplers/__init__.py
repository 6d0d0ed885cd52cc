"""The order in which samples are seen: a function of seed and step, never of workers."""
