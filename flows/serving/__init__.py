"""From a version to an endpoint that answers, and back to the one before."""
