"""What gated equivariant convolutions compute on columns: linear maps, tensor products with
harmonics, and gates.

Features by degree l are (channels, 2 l + 1, points, batch). `_convolution` has the index of the
weight of each path.
"""

import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._block import Block
from equitraj.models._columns import added
from equitraj.models._convolution import Convolution, Degrees, Gate, Matrix
from equitraj.models._irreps import wigner_3j
from equitraj.models._pairs import Neighbours

# e3nn's `normalize2mom` of each activation: one over the root of its mean square over a fixed
# sample of normal variates
SILU = 1.6791767923989418
TANH = 1.5937334472592695
SIGMOID = 1.8467055342154763


def linear(
    matrices: dict[int, Matrix], weight: jax.Array | None, x: dict[int, jax.Array]
) -> dict[int, jax.Array]:
    """Features by degree (C', 2 l + 1, ...), a linear map of the channels of `x`.

    Without any path `matrices` is empty, and `weight` may be None.
    """
    if weight is None:
        return {}
    mixed = {}
    for degree, matrix in matrices.items():
        if degree not in x:
            continue
        factor = jnp.asarray(matrix.factor.T, weight.dtype)
        dense = weight[matrix.index.T] * factor
        mixed[degree] = jnp.tensordot(dense, x[degree], 1)
    return mixed


def product(degrees: Degrees, harmonic: list, x: list[jax.Array], n: int) -> jax.Array:
    """Component n of the tensor product of the senders' features with harmonics, (C, pairs); `x`
    has the components (C, pairs) of the features.

    Only the few nonzero entries of the Wigner 3j tensor are summed: one loop, and nothing else in
    memory.
    """
    l1, l2, l3 = degrees
    scale = (2 * l3 + 1) ** 0.5
    tensor = scale * wigner_3j(l1, l2, l3)[..., n]
    nonzero = np.abs(tensor) > 1e-12
    terms = []
    for m, k in np.argwhere(nonzero):
        term = x[m]
        if l2 > 0:
            term = harmonic[l2][k] * term
        factor = float(tensor[m, k])
        terms.append(factor * term)
    return added(terms)


def messages(
    convolution: Convolution, weight: jax.Array, x: dict, harmonic: list, pairs: Block | Neighbours
) -> dict:
    """What each point receives, (C, 2 l + 1, N, B) by degree, from its senders' features `x` of
    that shape.

    `weight` (C, pairs, B) has the radial networks' outputs in the order of `convolution.groups`;
    `harmonic` has the components (pairs, B) by degree.
    """
    groups = convolution.groups
    sizes = tuple(len(weights) for _, weights in groups.values())
    parts = _split(weight, sizes, pairs)
    component = {degree: _components(value) for degree, value in x.items()}
    received: dict[int, list[jax.Array]] = {}
    for (degrees, (channels, _)), part in zip(groups.items(), parts, strict=True):
        l1, _, l3 = degrees
        sent = [pairs.senders(chosen(value, channels)) for value in component[l1]]
        summed = []
        for n in range(2 * l3 + 1):
            message = part * product(degrees, harmonic, sent, n)
            summed.append(pairs.sum(message))
        received.setdefault(l3, []).append(jnp.stack(summed, 1))
    return {degree: jnp.concatenate(values) for degree, values in received.items()}


def _split(weight: jax.Array, sizes: tuple[int, ...], pairs: Block | Neighbours) -> list[jax.Array]:
    """Weights of directed pairs, `sizes` channels each."""
    if isinstance(pairs, Block):
        return pairs.directed(weight, sizes)
    ends = np.cumsum(sizes)[:-1]
    return jnp.split(weight, ends)


def _components(value: jax.Array) -> list[jax.Array]:
    """The components (C, ...) of features (C, 2 l + 1, ...)."""
    n_components = value.shape[1]
    split = jnp.split(value, n_components, 1)
    return [component[:, 0] for component in split]


def chosen(x: jax.Array, channels: list[int]) -> jax.Array:
    """Some channels of (C, ...); a slice where they are consecutive, which is faster."""
    first = channels[0]
    end = channels[-1] + 1
    consecutive = list(range(first, end))
    if channels == consecutive:
        return x[first:end]
    return x[np.array(channels)]


def activated(gates: Gate, x: dict[int, jax.Array]) -> dict[int, jax.Array]:
    """Features by degree (C, 2 l + 1, N, B) through a gate: scalars, and the gated features in
    their order."""
    out = {}
    if gates.scalars:
        out[0] = _activated_scalars(gates, x[0])
    if gates.gates:
        factor = _factors(gates, x[0])
        order = [degree for mul, degree, _ in gates.gated for _ in range(mul)]
        for degree in set(order):
            places = [i for i, other in enumerate(order) if other == degree]
            own = chosen(factor, places)
            value = chosen(x[degree], gates.channels(2, degree))
            out[degree] = own * value
    return out


def _activated_scalars(gates: Gate, x: jax.Array) -> jax.Array:
    """Even scalars through SiLU, odd ones through the hyperbolic tangent."""
    scalars = chosen(x, gates.channels(0, 0))
    parity = [p for mul, _, p in gates.scalars for _ in range(mul)]
    ones = [1] * (scalars.ndim - 1)
    even = np.array(parity).reshape(-1, *ones) > 0
    through_silu = SILU * jax.nn.silu(scalars)
    through_tanh = TANH * jnp.tanh(scalars)
    return jnp.where(even, through_silu, through_tanh)


def _factors(gates: Gate, x: jax.Array) -> jax.Array:
    """Gates through the logistic function if they are even, else the hyperbolic tangent."""
    scalars = chosen(x, gates.channels(1, 0))
    parity = gates.gates[0][2]
    if parity > 0:
        sigmoid = jax.nn.sigmoid(scalars)
        return SIGMOID * sigmoid
    tanh = jnp.tanh(scalars)
    return TANH * tanh


def pairs_of(prepared: dict[str, jax.Array], n_points: int) -> Block | Neighbours:
    """The pairs of prepared arrays: lists of neighbours if there are any, else all pairs."""
    if "senders" in prepared:
        return Neighbours(prepared["senders"], prepared["receivers"], n_points)
    return Block(n_points)


def by_point(x: dict[int, jax.Array], pairs: Block | Neighbours) -> dict[int, jax.Array]:
    """Features (B, N, C, 2 l + 1) by degree from their columns."""
    features = {}
    for degree, value in x.items():
        samples = pairs.samples(value)
        features[degree] = jnp.moveaxis(samples, 3, 1)
    return features
