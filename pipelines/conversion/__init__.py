"""From labelled images to a checked set of shards."""
