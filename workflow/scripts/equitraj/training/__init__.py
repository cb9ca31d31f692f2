"""From a method and samples to a run folder: one loop per framework."""
