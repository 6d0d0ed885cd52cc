"""What happens to a picture between its bytes and the tower."""
