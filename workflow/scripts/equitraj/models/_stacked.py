"""Layers of one kind, their weights stacked along a first axis: one compiled layer is scanned."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import equinox as eqx
import jax

Layers = TypeVar("Layers", bound=eqx.Module)
State = TypeVar("State")
Features = TypeVar("Features")


def stacked(make: Callable[[jax.Array], Layers], count: int, key: jax.Array) -> Layers:
    """`count` layers as one, whose weights have a first axis of layers."""
    keys = jax.random.split(key, count)
    make_all = eqx.filter_vmap(make)
    return make_all(keys)


def numbered(by_layer: Iterable[Features]) -> dict[str, Features]:
    """The features after each layer by its name, from `layer 1` on."""
    return {f"layer {i + 1}": features for i, features in enumerate(by_layer)}


def through(layers: Callable[..., State], state: State, *arguments: object) -> State:
    """The state after all layers.

    A layer is called with the state and the arguments, and returns the next state.
    """
    last, _ = _scanned(layers, state, arguments, every=False)
    return last


def through_each(
    layers: Callable[..., State], state: State, *arguments: object
) -> tuple[State, State]:
    """`through`, and the states after each layer, along a first axis."""
    return _scanned(layers, state, arguments, every=True)


def _scanned(layers: Callable, state: State, arguments: tuple, every: bool) -> tuple:
    """The state after all layers, and with `every` the states after each, else None."""
    weights, static = eqx.partition(layers, eqx.is_array)

    def step(state: State, weights: object) -> tuple:
        layer = eqx.combine(weights, static)
        state = layer(state, *arguments)
        if every:
            return state, state
        return state, None

    return jax.lax.scan(step, state, weights)
