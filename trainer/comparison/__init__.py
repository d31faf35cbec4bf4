"""Several runs side by side: what they were asked to do, how well they do, what they cost."""
