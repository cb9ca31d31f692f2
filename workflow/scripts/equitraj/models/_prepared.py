"""Networks whose work is in two parts: what samples alone decide, computed once, and what depends
on weights."""

import equinox as eqx
import jax


class Prepared(eqx.Module):
    """A network with `prepare`, of inputs (B, ...), and `apply`, of what that returns."""

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        return self.apply(self.prepare(inputs))
