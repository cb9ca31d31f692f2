"""Irreps of O(3) and their tensor products in e3nn's conventions (Geiger and Smidt,
arXiv:2207.09453), in NumPy alone.

An irrep is (l, p), with parity p = 1 or -1; irreps are a tuple of blocks (multiplicity, l, p). The
real basis of degree l = 1 is (x, y, z), that of higher degrees is e3nn's: m counts from -l to l
about the y axis.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import factorial, sqrt

import numpy as np

Irreps = tuple[tuple[int, int, int], ...]


def parse(text: str) -> Irreps:
    """Blocks from a text such as "5x0e + 2x1o"; `y` is the parity (-1)^l of spherical harmonics."""
    blocks = []
    for part in text.replace(" ", "").split("+"):
        *mul, irrep = part.split("x")
        degree, parity = int(irrep[:-1]), irrep[-1]
        p = (-1) ** degree if parity == "y" else {"e": 1, "o": -1}[parity]
        blocks.append((int(mul[0]) if mul else 1, degree, p))
    return tuple(blocks)


def simplified(irreps: Irreps) -> Irreps:
    """The same with neighbouring blocks of one irrep merged."""
    blocks: list[tuple[int, int, int]] = []
    for mul, *ir in irreps:
        if blocks and blocks[-1][1:] == tuple(ir):
            mul += blocks.pop()[0]
        blocks.append((mul, *ir))
    return tuple(blocks)


def products(first: tuple[int, int], second: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The irreps (l, p) in the tensor product of two."""
    (l1, p1), (l2, p2) = first, second
    return ((degree, p1 * p2) for degree in range(abs(l1 - l2), l1 + l2 + 1))


@cache
def wigner_3j(l1: int, l2: int, l3: int) -> np.ndarray:
    """The invariant (2 l1 + 1, 2 l2 + 1, 2 l3 + 1) of three irreps: real basis, norm 1, sign as in
    e3nn."""
    q1, q2, q3 = _complex_basis(l1), _complex_basis(l2), _complex_basis(l3)
    real = np.einsum("ij,kl,nm,ikn->jlm", q1, q2, q3.conj(), _clebsch_gordan(l1, l2, l3)).real
    return real / np.linalg.norm(real)


def _complex_basis(degree: int) -> np.ndarray:
    """The unitary matrix from the real to the complex basis, with a phase that makes Clebsch-Gordan
    tensors real."""
    q = np.zeros((2 * degree + 1, 2 * degree + 1), complex)
    for m in range(1, degree + 1):
        q[degree - m, [degree + m, degree - m]] = 1 / sqrt(2), -1j / sqrt(2)
        q[degree + m, [degree + m, degree - m]] = (-1) ** m / sqrt(2), 1j * (-1) ** m / sqrt(2)
    q[degree, degree] = 1
    return (-1j) ** degree * q


def _clebsch_gordan(l1: int, l2: int, l3: int) -> np.ndarray:
    """Clebsch-Gordan coefficients in the complex basis, by Racah's formula (Rev. Mod. Phys. 1942,
    eq. 16)."""
    tensor = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        for m2 in range(max(-l2, -l3 - m1), min(l2, l3 - m1) + 1):
            tensor[l1 + m1, l2 + m2, l3 + m1 + m2] = _coefficient(l1, m1, l2, m2, l3, m1 + m2)
    return tensor


def _coefficient(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> float:
    f = factorial
    size = Fraction(
        (2 * l3 + 1)
        * f(l3 + l1 - l2)
        * f(l3 - l1 + l2)
        * f(l1 + l2 - l3)
        * f(l3 + m3)
        * f(l3 - m3),
        f(l1 + l2 + l3 + 1) * f(l1 - m1) * f(l1 + m1) * f(l2 - m2) * f(l2 + m2),
    )
    total = Fraction(0)
    for k in range(max(0, l2 - l1 + m3, m1 - l1), min(l2 + l3 + m1, l3 - l1 + l2, l3 + m3) + 1):
        rest = Fraction(
            f(l2 + l3 + m1 - k) * f(l1 - m1 + k),
            f(k) * f(l3 - l1 + l2 - k) * f(l3 + m3 - k) * f(k + l1 - l2 - m3),
        )
        total += (-1) ** (k + l2 + m2) * rest
    return sqrt(size) * float(total)


@cache
def harmonics_step(degree: int) -> np.ndarray:
    """The tensor (3, 2 l + 1, 2 l + 3) that makes harmonics of degree l + 1 of a unit vector and
    those of degree l.

    "Component" normalisation: |Y_l|^2 = 2 l + 1 on the unit sphere, and Y_l is positive along y at
    m = 0.
    """
    pole = np.zeros(2 * degree + 1)
    pole[degree] = sqrt(2 * degree + 1)
    tensor = wigner_3j(1, degree, degree + 1)
    at_pole = np.einsum("l,lm->m", pole, tensor[1])[degree + 1]
    return tensor * sqrt(2 * degree + 3) / at_pole


@cache
def generators(degree: int) -> np.ndarray:
    """Generators (3, 2 l + 1, 2 l + 1) of rotations about x, y and z of features of this degree."""
    if degree == 0:
        return np.zeros((3, 1, 1))
    vector = np.array(
        [
            [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
            [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
            [[0, -1, 0], [1, 0, 0], [0] * 3],
        ]
    )
    if degree == 1:
        return vector.astype(float)
    tensor = wigner_3j(1, degree - 1, degree)
    turned = np.einsum("aik,kjn->aijn", vector, tensor) + np.einsum(
        "ajk,ikn->aijn", generators(degree - 1), tensor
    )
    return (2 * degree + 1) * np.einsum("ijm,aijn->amn", tensor, turned)
