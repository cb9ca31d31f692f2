"""Data from a source to samples: trajectory files, the lift to three dimensions, tasks, inputs."""
