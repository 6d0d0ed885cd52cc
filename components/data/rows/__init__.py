"""The rows that batches are made of: pictures as bytes, pictures decoded once, captions as tokens."""
