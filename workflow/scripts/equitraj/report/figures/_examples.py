"""The names in examples.h5 of the true positions and of the newest positions of the input.

They contain a blank, so that no method can have the same name.
"""

TRUTH, NEWEST = "true positions", "newest positions"
