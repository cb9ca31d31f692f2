"""What a route to symmetry buys: a method against the same model without it, in error and in
training samples."""
