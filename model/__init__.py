"""StridedNet."""
