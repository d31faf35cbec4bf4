"""Labelled images to sharded TFRecords, and from there to batches."""
