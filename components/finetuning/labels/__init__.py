"""Ways to tell labels apart by features that stay as they are: what each yields is vectors, which the server classifies by as it is."""
