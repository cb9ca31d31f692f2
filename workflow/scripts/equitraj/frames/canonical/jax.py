"""A learned reference frame around a JAX network (Kaba et al., ICML 2023).

Two vectors are sums over the points of their positions and displacements, weighted by a network of
the invariants of each point. Gram-Schmidt turns them into a rotation, with the third axis from the
cross product. Both networks are trained by the loss of the prediction.
"""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from equitraj.data.features import TURNED, Shape
from equitraj.frames import UNDETERMINED

Inputs = dict[str, jax.Array]
"""The arrays of `equitraj.data.features.network_inputs`."""
Network = Callable[[Inputs], jax.Array]


class VectorNetwork(eqx.Module):
    """Rotations (B, 3, 3) that turn with the input."""

    mlp: eqx.nn.MLP
    extent: float

    def single(self, position: jax.Array, displacement: jax.Array, scalar: jax.Array) -> jax.Array:
        """The rotation (3, 3) of one sample.

        Args:
            position: (N, 3), relative to the origin.
            displacement: (K - 1, N, 3).
            scalar: (N, F).
        """
        scaled = position[:, None] / self.extent
        past = jnp.moveaxis(displacement, 0, 1)
        vectors = jnp.concatenate([scaled, past], axis=1)
        row, column = np.triu_indices(vectors.shape[1])
        products = vectors[:, row] * vectors[:, column]
        invariants = jnp.arcsinh(jnp.sum(products, -1))
        features = jnp.concatenate([invariants, scalar], -1)
        weight = jax.vmap(self.mlp)(features).reshape(len(position), 2, -1)
        first, second = jnp.einsum("nak,nkc->ac", weight, vectors)
        return gram_schmidt(first, second)

    def __call__(self, inputs: Inputs) -> jax.Array:
        """The rotations (B, 3, 3) of a batch."""
        position = inputs["position"]
        no_scalar = position[:, :, :0]
        scalar = inputs.get("scalar", no_scalar)
        return jax.vmap(self.single)(position, inputs["displacement"], scalar)


def gram_schmidt(first: jax.Array, second: jax.Array) -> jax.Array:
    """Rows e1 along `first` (3,), e2 along the rest of `second`, e3 = e1 x e2.

    A row is zero if it has no direction.
    """
    e1 = _unit(first, 0.0)
    rest = second - (second @ e1) * e1
    size = jnp.abs(first).max() + jnp.abs(second).max()
    e2 = _unit(rest, UNDETERMINED * size)
    e3 = jnp.cross(e1, e2)
    return jnp.stack([e1, e2, e3])


def _unit(vector: jax.Array, smallest: jax.Array | float) -> jax.Array:
    squared = jnp.sum(vector**2)
    tiny = jnp.finfo(vector.dtype).tiny
    known = squared > jnp.maximum(smallest**2, tiny)
    length = jnp.sqrt(jnp.where(known, squared, 1.0))
    return jnp.where(known, vector / length, 0.0)


class Canonical(eqx.Module):
    """A network in a learned reference frame."""

    network: Network
    frame: VectorNetwork

    def __call__(self, inputs: Inputs) -> jax.Array:
        """The network's output (B, N, 3), back in the axes of the inputs."""
        rotation = self.frame(inputs)
        turned = dict(inputs)
        for name in TURNED:
            if name in inputs:
                turned[name] = jnp.einsum("bij,b...j->b...i", rotation, inputs[name])
        output = self.network(turned)
        return jnp.einsum("bij,bni->bnj", rotation, output)


def wrap(network: Network, width: int, shape: Shape, key: jax.Array) -> Canonical:
    """Return `network` in a reference frame learned by a vector network of this width."""
    n_vectors = 1 + shape.n_displacements
    n_invariants = n_vectors * (n_vectors + 1) // 2
    mlp = eqx.nn.MLP(
        in_size=n_invariants + shape.n_scalars,
        out_size=2 * n_vectors,
        width_size=width,
        depth=1,
        activation=jax.nn.silu,
        key=jax.random.fold_in(key, 1),
    )
    frame = VectorNetwork(mlp, shape.statistics.extent)
    return Canonical(network, frame)
