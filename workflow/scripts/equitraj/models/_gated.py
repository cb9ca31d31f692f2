"""What gated equivariant convolutions compute on columns: features by degree l are (channels, 2 l +
1, points, batch).

`_convolution` says which weight belongs to which path; here are linear maps, tensor products with
harmonics, and gates.
"""

import jax
import jax.numpy as jnp
import numpy as np

from equitraj.models._block import Block
from equitraj.models._convolution import Convolution, Gate, Matrix
from equitraj.models._irreps import wigner_3j
from equitraj.models._pairs import Neighbours

# e3nn's `normalize2mom` of each activation: the inverse root of its mean square over a fixed normal
# sample
SILU, TANH, SIGMOID = 1.6791767923989418, 1.5937334472592695, 1.8467055342154763


def linear(
    matrices: dict[int, Matrix], weight: jax.Array | None, x: dict[int, jax.Array]
) -> dict[int, jax.Array]:
    """Features by degree (C, 2 l + 1, ...), their channels mixed."""
    dense = lambda m: weight[m.index.T] * jnp.asarray(m.factor.T, weight.dtype)  # noqa: E731
    return {d: jnp.tensordot(dense(m), x[d], 1) for d, m in matrices.items() if d in x}


def product(degrees: tuple[int, int, int], harmonic: list, x: list[jax.Array], n: int) -> jax.Array:
    """Component n of the tensor product of senders' features, components (C, pairs), and harmonics,
    as (C, pairs).

    The sum over the few entries of the Wigner 3j tensor that are not zero: one loop, and nothing
    else in memory.
    """
    l1, l2, l3 = degrees
    tensor = (2 * l3 + 1) ** 0.5 * wigner_3j(l1, l2, l3)[..., n]
    terms = [(float(tensor[m, k]), m, k) for m, k in np.argwhere(np.abs(tensor) > 1e-12)]
    return sum(factor * (harmonic[l2][k] * x[m] if l2 else x[m]) for factor, m, k in terms)


def messages(
    convolution: Convolution, weight: jax.Array, x: dict, harmonic: list, pairs: Block | Neighbours
) -> dict:
    """What each point receives, (C, 2 l + 1, N, B) by degree, from its senders' features `x` of
    that shape.

    `weight` (C, pairs, B) has the radial networks' outputs in the order of `convolution.groups`,
    `harmonic` by degree the components (pairs, B).
    """
    sizes = tuple(len(weights) for _, weights in convolution.groups.values())
    parts = (
        pairs.directed(weight, sizes)
        if isinstance(pairs, Block)
        else jnp.split(weight, np.cumsum(sizes)[:-1])
    )
    component = {d: [c[:, 0] for c in jnp.split(v, 2 * d + 1, 1)] for d, v in x.items()}
    received: dict[int, list[jax.Array]] = {}
    for ((l1, l2, l3), (channels, _)), part in zip(convolution.groups.items(), parts, strict=True):
        sent = [pairs.senders(chosen(c, channels)) for c in component[l1]]
        found = [
            pairs.sum(part * product((l1, l2, l3), harmonic, sent, n)) for n in range(2 * l3 + 1)
        ]
        received.setdefault(l3, []).append(jnp.stack(found, 1))
    return {degree: jnp.concatenate(found) for degree, found in received.items()}


def chosen(x: jax.Array, channels: list[int]) -> jax.Array:
    """Those channels of (C, ...); a slice where they follow each other, which is faster."""
    first, last = channels[0], channels[-1] + 1
    return x[first:last] if channels == list(range(first, last)) else x[np.array(channels)]


def activated(gates: Gate, x: dict[int, jax.Array]) -> dict[int, jax.Array]:
    """Features by degree (C, 2 l + 1, N, B) through a gate: scalars, and the gated ones in their
    order."""
    found, parity = {}, [p for mul, _, p in gates.scalars for _ in range(mul)]
    if parity:
        scalars = chosen(x[0], gates.channels(0, 0))
        even = np.array(parity).reshape(-1, *[1] * (scalars.ndim - 1)) > 0
        found[0] = jnp.where(even, SILU * jax.nn.silu(scalars), TANH * jnp.tanh(scalars))
    if gates.gates:
        factor = chosen(x[0], gates.channels(1, 0))
        even = gates.gates[0][2] > 0
        factor = SIGMOID * jax.nn.sigmoid(factor) if even else TANH * jnp.tanh(factor)
        order = [degree for mul, degree, _ in gates.gated for _ in range(mul)]
        for degree in set(order):
            own = chosen(factor, [i for i, d in enumerate(order) if d == degree])
            found[degree] = own * chosen(x[degree], gates.channels(2, degree))
    return found
