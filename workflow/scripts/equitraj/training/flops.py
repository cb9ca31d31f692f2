"""Floating-point operations of a JAX function, counted in its jaxpr, before compilation.

A product of matrices (m, k) and (k, n) counts 2 m k n. Every other arithmetic operation counts one
for each number of its result, a sum one for each number that it sums. Moving, comparing and
selecting numbers count nothing. A scan counts once for each iteration; a loop whose length is only
known at run time counts once.
"""

import math
from collections.abc import Iterator
from typing import cast

import jax
from jax.core import ShapedArray
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

ARITHMETIC = set(
    "add sub mul div neg sqrt rsqrt exp exp2 log log1p expm1 tanh logistic sin cos tan "
    "asinh acosh atanh sinh cosh pow integer_pow square cbrt erf max min abs sign rem atan2 "
    "add_any".split()
)
SUMS = {
    "reduce_sum",
    "reduce_max",
    "reduce_min",
    "reduce_prod",
    "cumsum",
    "scatter-add",
    "scatter_add",
}


def count(function, *arguments: object) -> int:
    """Return the operations of `function` for arguments, or for shapes of arguments."""
    trace = jax.make_jaxpr(function)
    closed = trace(*arguments)
    return _of(closed.jaxpr)


def _of(jaxpr: Jaxpr) -> int:
    total = 0
    for equation in jaxpr.eqns:
        total += _equation(equation)
    return total


def _equation(equation: JaxprEqn) -> int:
    name = equation.primitive.name
    calls = [_of(jaxpr) for jaxpr in _inner(equation)]
    if calls and name == "cond":
        return max(calls)
    if calls:
        iterations = equation.params.get("length", 1)
        return sum(calls) * iterations
    if name == "dot_general":
        return _matrix_product(equation)
    if name in SUMS:
        summed = equation.invars[-1 if name.startswith("scatter") else 0]
        return _size(summed)
    if name in ARITHMETIC:
        return sum(map(_size, equation.outvars))
    return 0


def _matrix_product(equation: JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = _array(equation.invars[0])
    length = math.prod(left.shape[axis] for axis in contracted)
    entries = _size(equation.outvars[0])
    return 2 * entries * length


def _size(variable: Var | Literal) -> int:
    """Number of entries of a floating-point variable; 0 for other types."""
    array = _array(variable)
    if array.dtype.kind != "f":
        return 0
    return math.prod(array.shape)


def _array(variable: Var | Literal) -> ShapedArray:
    """Shape and type of a variable; jax declares it as an abstract value without them."""
    return cast(ShapedArray, variable.aval)


def _inner(equation: JaxprEqn) -> Iterator[Jaxpr]:
    """Yield the functions that an operation calls."""
    for value in equation.params.values():
        parts = value if isinstance(value, tuple | list) else (value,)
        for part in parts:
            if isinstance(part, ClosedJaxpr):
                yield part.jaxpr
            elif isinstance(part, Jaxpr):
                yield part
