"""Finding pictures of a package's index: by vector, by words, by both, and only among those that a filter names."""
