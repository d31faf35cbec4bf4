"""The processes that train together: who they are, how they meet, and how the failure of one ends
all.

Nothing here imports TensorFlow but the reading of Slurm's environment.
"""
