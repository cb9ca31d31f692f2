"""equitraj: what Euclidean symmetry buys a model that predicts where points go next."""
