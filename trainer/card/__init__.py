"""The model card of a run: its README.md."""
