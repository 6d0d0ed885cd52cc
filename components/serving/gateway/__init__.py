"""What stands between people and Triton: HTTP shapes that clients know, keys and limits, batches, versions, and a page."""
