"""What examples.h5 calls the true positions and the newest given ones: with blanks, as no method is
called."""

TRUTH, NEWEST = "true positions", "newest positions"
