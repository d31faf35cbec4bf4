"""What `tensorboard --logdir runs` shows of a run."""
