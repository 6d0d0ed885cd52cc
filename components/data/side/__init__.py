"""Side shards: what teachers said of the samples, written once beside the shards, so that no teacher runs while training."""
