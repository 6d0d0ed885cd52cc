"""Sources, shards, transforms, tokenizers and loaders: from bytes to batches."""
