"""Labelled images to sharded TFRecords, and from there to batches."""

import os

# etils.epath would reach gs:// by TensorFlow where that is imported, and by fsspec elsewhere. One
# way for both: the errors are the same then, and are those of files, which TensorFlow's are not.
os.environ.setdefault("EPATH_USE_TF", "false")
