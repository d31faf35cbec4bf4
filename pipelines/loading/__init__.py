"""From shards to batches: plan, read, decode, cache, augment."""
