"""Asking the model of a finished run: about labelled data, and about any pictures."""
