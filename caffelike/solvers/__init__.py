"""The training loop, learning-rate policies, snapshots, and one file an update rule."""
