"""A study: the same training with some flags varied, each combination with several seeds."""
