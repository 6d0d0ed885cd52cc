"""One check a file: what may be wrong with rows that are whole. catalogue.yaml lists them in the order in which they run."""
