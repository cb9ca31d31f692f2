"""A JAX network whose output is in the data's own units, as one in the units that the training loop counts in."""

import equinox as eqx
import jax


class InUnits(eqx.Module):
    """A network times a factor."""

    network: eqx.Module
    factor: float

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        return self.factor * self.network(inputs)


def wrap(network: eqx.Module, factor: float) -> InUnits:
    """`network` times `factor`."""
    return InUnits(network, factor)
