"""A learned frame around a JAX network: a vector network, orthonormalised (Kaba et al., ICML 2023).

Two vectors are sums over the points of their positions and displacements, weighted by a network of
each point's own invariants; Gram-Schmidt makes a rotation of them, the third axis by the cross
product. The whole is trained by the loss of the prediction.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.data.features import TURNED, Shape
from equitraj.frames import UNDETERMINED


class VectorNetwork(eqx.Module):
    """Rotations (B, 3, 3) that turn with the input."""

    mlp: eqx.nn.MLP
    extent: float

    def single(self, position: jax.Array, displacement: jax.Array, scalar: jax.Array) -> jax.Array:
        """(3, 3) from `position` (N, 3) about the origin, `displacement` (K - 1, N, 3) and `scalar`
        (N, F)."""
        vectors = jnp.concatenate(
            [position[:, None] / self.extent, jnp.moveaxis(displacement, 0, 1)], axis=1
        )
        upper = np.triu_indices(vectors.shape[1])
        invariants = jnp.arcsinh(jnp.sum(vectors[:, upper[0]] * vectors[:, upper[1]], -1))
        weight = jax.vmap(self.mlp)(jnp.concatenate([invariants, scalar], -1)).reshape(
            len(position), 2, -1
        )
        return gram_schmidt(*jnp.einsum("nak,nkc->ac", weight, vectors))

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, 3, 3) from the arrays of `equitraj.data.features.network_inputs`."""
        scalar = inputs.get("scalar", inputs["position"][:, :, :0])
        return jax.vmap(self.single)(inputs["position"], inputs["displacement"], scalar)


def gram_schmidt(first: jax.Array, second: jax.Array) -> jax.Array:
    """Rows e1 along `first` (3,), e2 along the rest of `second`, e3 = e1 x e2; zero where there is
    none."""
    e1 = _unit(first, 0.0)
    e2 = _unit(
        second - (second @ e1) * e1, UNDETERMINED * (jnp.abs(first).max() + jnp.abs(second).max())
    )
    return jnp.stack([e1, e2, jnp.cross(e1, e2)])


def _unit(vector: jax.Array, smallest: jax.Array | float) -> jax.Array:
    squared = jnp.sum(vector**2)
    known = squared > jnp.maximum(smallest**2, jnp.finfo(vector.dtype).tiny)
    return jnp.where(known, vector / jnp.sqrt(jnp.where(known, squared, 1.0)), 0.0)


class Canonical(eqx.Module):
    """A network in a learned frame."""

    network: eqx.Module
    frame: VectorNetwork

    def __call__(self, inputs: dict[str, jax.Array]) -> jax.Array:
        """(B, N, 3) from the arrays of `equitraj.data.features.network_inputs`, back in the axes of
        the inputs."""
        rotation = self.frame(inputs)
        names = [name for name in TURNED if name in inputs]
        turned = inputs | {k: jnp.einsum("bij,b...j->b...i", rotation, inputs[k]) for k in names}
        return jnp.einsum("bij,bni->bnj", rotation, self.network(turned))


def wrap(network: eqx.Module, width: int, shape: Shape, key: jax.Array) -> Canonical:
    """`network` in a frame learned by a vector network of this width."""
    n_vectors = 1 + shape.n_displacements
    n_inputs = n_vectors * (n_vectors + 1) // 2 + shape.n_scalars
    mlp = eqx.nn.MLP(n_inputs, 2 * n_vectors, width, 1, jax.nn.silu, key=jax.random.fold_in(key, 1))
    return Canonical(network, VectorNetwork(mlp, shape.statistics.extent))
