"""The order in which samples are seen: a function of seed and epoch, never of workers."""
