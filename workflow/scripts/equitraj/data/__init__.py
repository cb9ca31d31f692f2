"""From a source to samples: trajectory files, the lift to three dimensions, tasks, what a model
sees."""
