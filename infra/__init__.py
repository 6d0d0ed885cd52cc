"""What sets the project up and keeps its files true to one another."""
