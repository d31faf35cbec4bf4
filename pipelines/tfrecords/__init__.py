"""The format of a finished set: records, shards, index and manifest; written, read, verified."""
