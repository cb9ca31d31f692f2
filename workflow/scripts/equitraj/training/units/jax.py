"""A JAX network whose output is in the data's own units, as one in the units that the training loop
counts in."""

import equinox as eqx
import jax


class InUnits(eqx.Module):
    """A network times a factor."""

    network: eqx.Module
    factor: float

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        return self.factor * self.network(inputs)


class PreparedInUnits(InUnits):
    """The same of a network that splits its work into what depends on weights and what does not."""

    @property
    def compiler_options(self) -> dict:
        """Those of the network."""
        return getattr(self.network, "compiler_options", {})

    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """What does not depend on weights."""
        return self.network.prepare(inputs)

    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""
        return self.factor * self.network.apply(prepared)


def wrap(network: eqx.Module, factor: float) -> InUnits:
    """`network` times `factor`."""
    return (PreparedInUnits if hasattr(network, "prepare") else InUnits)(network, factor)
