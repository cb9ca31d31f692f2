"""Floating-point operations of a JAX function, counted from what JAX makes of it before any
compiler has seen it.

A product of matrices (m, k) and (k, n) counts 2 m k n, every other arithmetic operation one for
each number that it gives; moving, comparing and choosing numbers counts nothing. A scan counts as
often as it goes round; a loop whose length is known at run time only, once.
"""

import math
from collections.abc import Iterator

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn

ARITHMETIC = set(
    "add sub mul div neg sqrt rsqrt exp exp2 log log1p expm1 tanh logistic sin cos tan asinh acosh atanh sinh cosh pow "
    "integer_pow square cbrt erf max min abs sign rem atan2 add_any".split()
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
    """Operations of `function` for arguments, or the shapes of arguments."""
    return _of(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of(jaxpr: Jaxpr) -> int:
    return sum(_equation(equation) for equation in jaxpr.eqns)


def _equation(equation: JaxprEqn) -> int:
    name = equation.primitive.name
    if inner := list(_inner(equation)):
        found = [_of(jaxpr) for jaxpr in inner]
        return max(found) if name == "cond" else sum(found) * equation.params.get("length", 1)
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        left = equation.invars[0].aval.shape
        return 2 * _size(equation.outvars[0]) * math.prod(left[axis] for axis in contracted)
    if name in SUMS:
        return _size(equation.invars[-1 if name.startswith("scatter") else 0])
    return sum(map(_size, equation.outvars)) if name in ARITHMETIC else 0


def _size(variable: object) -> int:
    return math.prod(variable.aval.shape) if variable.aval.dtype.kind == "f" else 0


def _inner(equation: JaxprEqn) -> Iterator[Jaxpr]:
    """The functions that an operation calls."""
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if isinstance(one, ClosedJaxpr):
                yield one.jaxpr
            elif isinstance(one, Jaxpr):
                yield one
