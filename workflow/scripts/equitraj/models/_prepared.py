"""Networks that work in two parts: one that no weight enters, computed once, and the rest."""

from abc import abstractmethod

import equinox as eqx
import jax


class Prepared(eqx.Module):
    """A network in two parts, `prepare` and `apply`."""

    @abstractmethod
    def prepare(self, inputs: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Arrays that do not depend on weights, from `equitraj.data.features.network_inputs`."""

    @abstractmethod
    def apply(self, prepared: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `prepare`."""

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        prepared = self.prepare(inputs)
        return self.apply(prepared)
