"""A JAX model of one's own with a cutoff: pair forces from distances, summed over a list of
neighbours."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp

FRAMEWORK = "jax"
ALL_PAIRS = "max_radius"  # where this is 0


@dataclass(frozen=True)
class Hyperparameters:
    """Attributes: width, units in the hidden layer of the pair network; max_radius, within which
    points act on each other, in the data's units."""

    width: int = 8
    max_radius: float = 1.0


def claims(hyperparameters):
    """All of E(3) and permutations."""
    return {"rotation": True, "reflection": True, "translation": True, "permutation": True}


def cutoff(hyperparameters, shape):
    """The distance within which points are listed."""
    return hyperparameters.max_radius or None


class Network(eqx.Module):
    """Each point is moved along the vectors to its neighbours, by a network of their length that
    ends smoothly."""

    pair: eqx.nn.MLP
    own: jax.Array
    radius: float = eqx.field(static=True)

    def single(self, position, displacement, senders, receivers, shift, bonded):
        vector = (
            position[receivers] - position[senders] - shift
        ) / self.radius  # what pads is dropped below
        squared = jnp.sum(vector**2, -1, keepdims=True)
        end = jnp.maximum(1 - squared, 0) ** 3  # smooth to its second derivative
        weight = jax.vmap(self.pair)(jnp.concatenate([squared, bonded[:, None]], -1))
        force = jax.ops.segment_sum(end * weight * vector, receivers, len(position))
        return force + jnp.einsum("k,knc->nc", self.own, displacement)

    def __call__(self, inputs):
        """(B, N, 3) from the arrays of network_inputs."""
        names = ("position", "displacement", "senders", "receivers", "shift", "bonded")
        return jax.vmap(self.single)(*(inputs[name] for name in names))


def build(hyperparameters, shape, key):
    """A network for samples of this shape."""
    pair = eqx.nn.MLP(2, 1, hyperparameters.width, 1, jax.nn.silu, key=key)
    return Network(pair, jnp.full(shape.n_displacements, 0.1), hyperparameters.max_radius)
