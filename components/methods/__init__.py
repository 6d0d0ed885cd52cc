"""One file a published method: it wires a model and objectives in plain Python."""
