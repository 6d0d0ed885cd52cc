"""What guides losses and learns nothing: targets, gates, mined rows."""
