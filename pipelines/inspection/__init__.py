"""What `pipelines.inspect` finds out about a finished set, and how it says it."""
