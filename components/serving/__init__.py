"""A package as a Triton model repository, the server that runs it, and the client that asks."""
