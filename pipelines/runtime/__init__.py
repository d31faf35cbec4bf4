"""What every command runs on: errors, flags, console, files, TensorFlow's start and end."""
