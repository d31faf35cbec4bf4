"""What every command runs on: errors, flags, console, files, the machine, TensorFlow."""
