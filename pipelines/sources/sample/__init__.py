"""The drawn sample: its scenes, their places and subjects, and the pen that draws them."""
