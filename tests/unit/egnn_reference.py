"""EGNN as its equations read, point by point on all pairs of one sample: what the fast one must
agree with."""

import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models.egnn import NEIGHBOURS, Layer, Network


def output(network: Network, inputs: dict[str, jax.Array]) -> jax.Array:
    """(B, N, 3) with the network's weights."""
    scalar = inputs.get("scalar", inputs["position"][:, :, :0])
    sample = (inputs["position"], inputs["displacement"], scalar, inputs["adjacency"])
    return jax.vmap(lambda *one: single(network, *one))(*sample)


def single(
    network: Network,
    position: jax.Array,
    displacement: jax.Array,
    scalar: jax.Array,
    adjacency: jax.Array,
) -> jax.Array:
    """(N, 3) from `position` (N, 3), `displacement` (K - 1, N, 3), `scalar` (N, F), `adjacency` (N,
    N)."""
    relative = (position[:, None] - position[None]) / network.extent
    pair = jnp.stack([_invariants(relative, relative), adjacency], -1)
    factor = 1 - jnp.eye(len(position), dtype=position.dtype)
    if network.max_radius:
        ratio = jnp.sum(relative**2, -1) * (network.extent / network.max_radius) ** 2
        factor *= jnp.where(ratio < 1, (1 - ratio) ** 2, 0)
    past = jnp.moveaxis(displacement, 0, 1)
    upper = np.triu_indices(past.shape[1])
    h = [_invariants(past[:, upper[0]], past[:, upper[1]]), scalar, jnp.ones_like(position[:, :1])]
    if network.identity:
        h.append(jnp.eye(len(position), dtype=position.dtype))
    h, total = jax.vmap(network.embed)(jnp.concatenate(h, -1)), jnp.zeros_like(position)
    count = min(len(position) - 1, NEIGHBOURS if network.max_radius else len(position) - 1)
    for i in range(len(network.layers.edge.weight)):
        layer = jax.tree.map(lambda w: w[i] if isinstance(w, jax.Array) else w, network.layers)  # noqa: B023
        vectors = jnp.concatenate([past, total[:, None]], axis=1)
        h, moved = _layer(layer, h, vectors, relative, pair, factor, count)
        total += moved
    return total


def _invariants(a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.arcsinh(jnp.sum(a * b, axis=-1))


def _layer(
    layer: Layer,
    h: jax.Array,
    vectors: jax.Array,
    relative: jax.Array,
    pair: jax.Array,
    factor: jax.Array,
    count: int,
) -> tuple:
    r, own, other = relative[:, :, None], vectors[:, None], vectors[None]
    invariant = [pair, _invariants(r, own), _invariants(r, other), _invariants(own, other)]
    edge = jnp.concatenate(invariant, -1) @ layer.edge.weight.T
    m = jax.nn.silu(jax.vmap(layer.receiver)(h)[:, None] + h[None] @ layer.sender.weight.T + edge)
    m = jax.nn.silu(m @ layer.message.weight.T + layer.message.bias) * factor[..., None]
    weight = (m @ layer.pair_weight.weight.T) / count
    moved = jnp.einsum("ij,ijc->ic", weight[..., 0], relative)
    moved += jnp.einsum("ijk,ijkc->ic", weight[..., 1:], other - own)
    moved += jnp.einsum("ik,ikc->ic", jax.vmap(layer.point_weight)(h), vectors)
    return h + jax.vmap(layer.update)(jnp.concatenate([h, m.sum(1) / (count + 1)], -1)), moved
