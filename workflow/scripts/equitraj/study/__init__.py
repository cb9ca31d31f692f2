"""What concerns a study as a whole: the check of its configuration."""
