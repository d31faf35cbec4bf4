"""The pen, the places and the four subjects of the drawn sample (`pipelines.sources.sample`)."""
