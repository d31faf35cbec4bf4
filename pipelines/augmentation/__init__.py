"""Random changes of training images and labels, as pure functions of uniform draws."""
