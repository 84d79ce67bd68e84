"""What runs on the GPU machine, in its own environment."""
