"""From a run folder to predictions, their errors and rollouts."""
