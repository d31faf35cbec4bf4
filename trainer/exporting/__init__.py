"""A finished run's model in formats that others load, each checked against the model itself."""
