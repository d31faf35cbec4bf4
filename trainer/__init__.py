"""Training under tf.distribute."""
