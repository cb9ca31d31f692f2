"""Wrapper of a JAX network that converts the units of its output.

The network's output is in the data's own units, the wrapper's in the units of the training loop.
"""

import equinox as eqx
import jax

from equitraj.training.jax_samples import Network


class InUnits(eqx.Module):
    """A network times a factor."""

    network: Network
    factor: float

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """Return (B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        output = self.network(inputs)
        return self.factor * output


class PreparedInUnits(InUnits):
    """A network with a method `prepare`, times a factor."""

    @property
    def compiler_options(self) -> dict:
        """The compiler options of the network."""
        return getattr(self.network, "compiler_options", {})

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Return what does not depend on weights."""
        return self.network.prepare(inputs)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """Return (B, N, 3) from the arrays of `prepare`."""
        output = self.network.apply(prepared)
        return self.factor * output


def wrap(network: Network, factor: float) -> InUnits:
    """Return `network` times `factor`."""
    if hasattr(network, "prepare"):
        return PreparedInUnits(network, factor)
    return InUnits(network, factor)
