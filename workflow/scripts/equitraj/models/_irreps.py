"""Irreps of O(3) and their tensor products in e3nn's conventions (Geiger and Smidt,
arXiv:2207.09453), in NumPy alone.

An irrep is (l, p), with parity p = 1 or -1; irreps are a tuple of blocks (multiplicity, l, p). The
real basis of degree l = 1 is (x, y, z); the basis of higher degrees is e3nn's, with m from -l to l
about the y axis.
"""

from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from math import factorial, prod, sqrt

import numpy as np

Irreps = tuple[tuple[int, int, int], ...]


def parse(text: str) -> Irreps:
    """Blocks from a text such as "5x0e + 2x1o"; `y` is the parity (-1)^l of spherical harmonics."""
    blocks = []
    for part in text.replace(" ", "").split("+"):
        *mul, irrep = part.split("x")
        degree = int(irrep[:-1])
        parities = {"e": 1, "o": -1, "y": (-1) ** degree}
        multiplicity = int(mul[0]) if mul else 1
        blocks.append((multiplicity, degree, parities[irrep[-1]]))
    return tuple(blocks)


def simplified(irreps: Irreps) -> Irreps:
    """The same irreps with neighbouring blocks of one irrep merged."""
    blocks: list[tuple[int, int, int]] = []
    for mul, degree, parity in irreps:
        if blocks and blocks[-1][1:] == (degree, parity):
            before, _, _ = blocks.pop()
            mul += before
        blocks.append((mul, degree, parity))
    return tuple(blocks)


def products(first: tuple[int, int], second: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """The irreps (l, p) in the tensor product of two."""
    l1, p1 = first
    l2, p2 = second
    parity = p1 * p2
    least = abs(l1 - l2)
    most = l1 + l2
    for degree in range(least, most + 1):
        yield degree, parity


@cache
def wigner_3j(l1: int, l2: int, l3: int) -> np.ndarray:
    """The invariant (2 l1 + 1, 2 l2 + 1, 2 l3 + 1) of three irreps: real basis, norm 1, sign as in
    e3nn."""
    q1 = _complex_basis(l1)
    q2 = _complex_basis(l2)
    q3 = _complex_basis(l3)
    coefficients = _clebsch_gordan(l1, l2, l3)
    tensor = np.einsum("ij,kl,nm,ikn->jlm", q1, q2, q3.conj(), coefficients)
    real = tensor.real
    norm = np.linalg.norm(real)
    return real / norm


def _complex_basis(degree: int) -> np.ndarray:
    """The unitary matrix from the real to the complex basis, with a phase that makes Clebsch-Gordan
    tensors real."""
    size = 2 * degree + 1
    q = np.zeros((size, size), complex)
    for m in range(1, degree + 1):
        sign = (-1) ** m
        columns = [degree + m, degree - m]
        q[degree - m, columns] = 1 / sqrt(2), -1j / sqrt(2)
        q[degree + m, columns] = sign / sqrt(2), 1j * sign / sqrt(2)
    q[degree, degree] = 1
    return (-1j) ** degree * q


def _clebsch_gordan(l1: int, l2: int, l3: int) -> np.ndarray:
    """Clebsch-Gordan coefficients in the complex basis, by Racah's formula (Rev. Mod. Phys. 1942,
    eq. 16)."""
    tensor = np.zeros((2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1))
    for m1 in range(-l1, l1 + 1):
        least = max(-l2, -l3 - m1)
        most = min(l2, l3 - m1)
        for m2 in range(least, most + 1):
            m3 = m1 + m2
            tensor[l1 + m1, l2 + m2, l3 + m3] = _coefficient(l1, m1, l2, m2, l3, m3)
    return tensor


def _coefficient(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> float:
    """One Clebsch-Gordan coefficient."""
    a = l3 - l1 + l2
    b = l3 + m3
    c = l1 - m1
    d = l2 + l3 + m1
    e = l1 - l2 - m3
    degrees = _factorials(l3 + l1 - l2, a, l1 + l2 - l3)
    orders = _factorials(b, l3 - m3)
    numerator = (2 * l3 + 1) * degrees * orders
    denominator = _factorials(l1 + l2 + l3 + 1, c, l1 + m1, l2 - m2, l2 + m2)
    size = Fraction(numerator, denominator)
    total = Fraction(0)
    for k in range(max(0, -e, -c), min(a, b, d) + 1):
        sign = (-1) ** (k + l2 + m2)
        numerator = _factorials(d - k, c + k)
        denominator = _factorials(k, a - k, b - k, e + k)
        total += sign * Fraction(numerator, denominator)
    return sqrt(size) * float(total)


def _factorials(*numbers: int) -> int:
    """The product of the factorials of some numbers."""
    return prod(map(factorial, numbers))


@cache
def harmonics_step(degree: int) -> np.ndarray:
    """The tensor (3, 2 l + 1, 2 l + 3) that maps a unit vector and its harmonics of degree l to its
    harmonics of degree l + 1.

    "Component" normalisation: |Y_l|^2 = 2 l + 1 on the unit sphere, and Y_l is positive along y at
    m = 0.
    """
    size = 2 * degree + 1
    pole = np.zeros(size)
    pole[degree] = sqrt(size)
    tensor = wigner_3j(1, degree, degree + 1)
    next_pole = np.einsum("l,lm->m", pole, tensor[1])
    return tensor * sqrt(2 * degree + 3) / next_pole[degree + 1]


@cache
def generators(degree: int) -> np.ndarray:
    """Generators (3, 2 l + 1, 2 l + 1) of rotations about x, y and z of features of this degree."""
    if degree == 0:
        return np.zeros((3, 1, 1))
    vector = np.array(
        [
            [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
            [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
            [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
        ]
    )
    if degree == 1:
        return vector.astype(float)
    tensor = wigner_3j(1, degree - 1, degree)
    lower = generators(degree - 1)
    first = np.einsum("aik,kjn->aijn", vector, tensor)
    second = np.einsum("ajk,ikn->aijn", lower, tensor)
    rotated = first + second
    return (2 * degree + 1) * np.einsum("ijm,aijn->amn", tensor, rotated)
