"""The group actions of the audit: g x = s A x + t, and the permutation of points.

A is orthogonal, s is a positive factor, and t is one vector for the whole sample (a *rigid*
translation): g acts alike on every point and every frame. Points are permuted together with their
features and bonds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import VECTORS, Sample

MAGNITUDES = (0.1, 1.0, 10.0)  # of translations, in units of the points' extent


def _identity() -> np.ndarray:
    return np.eye(3)


def _no_shift() -> np.ndarray:
    return np.zeros(3)


@dataclass(frozen=True)
class Element:
    """A group element.

    Attributes: order (N,), place i of the new sample holds point order[i]; matrix (3, 3),
    orthogonal; shift (3,); scale, positive; label, the table row that also counts this element, in
    addition to its generator's row.
    """

    order: np.ndarray
    matrix: np.ndarray = field(default_factory=_identity)
    shift: np.ndarray = field(default_factory=_no_shift)
    scale: float = 1.0
    label: str = ""

    def apply(self, sample: Sample) -> Sample:
        """Return g x: positions, vectors, features and bonds of a sample transformed together."""
        return replace(
            sample,
            position=self._moved(sample.position),
            target=_unless_none(self._moved, sample.target),
            velocity=_unless_none(self._turned, sample.velocity),
            box=_unless_none(self._stretched, sample.box),
            scalar=_unless_none(self._permuted, sample.scalar),
            mass=_unless_none(self._permuted, sample.mass),
            edges=_unless_none(self._relabelled, sample.edges),
        )

    def _permuted(self, value: np.ndarray) -> np.ndarray:
        return value[:, self.order]

    def _stretched(self, value: np.ndarray) -> np.ndarray:
        transpose = self.matrix.T
        turned = value @ transpose
        return self.scale * turned

    def _turned(self, value: np.ndarray) -> np.ndarray:
        permuted = value[..., self.order, :]
        turned = self._stretched(permuted)
        return turned + 0.0

    def _moved(self, value: np.ndarray) -> np.ndarray:
        permuted = value[..., self.order, :]
        turned = self._stretched(permuted)
        return turned + self.shift

    def _relabelled(self, edges: np.ndarray) -> np.ndarray:
        place = np.argsort(self.order)
        return place[edges]

    def undo(self, prediction: np.ndarray) -> np.ndarray:
        """Return g^-1 y for predicted positions (B, N, 3)."""
        shifted_back = prediction - self.shift
        unscaled = shifted_back / self.scale
        turned_back = unscaled @ self.matrix
        place = np.argsort(self.order)
        return turned_back[:, place]


def _unless_none(
    function: Callable[[np.ndarray], np.ndarray], value: np.ndarray | None
) -> np.ndarray | None:
    if value is None:
        return None
    return function(value)


def about_origin(matrix: np.ndarray, n_points: int) -> Element:
    """Return the orthogonal matrix (3, 3) about the origin as an element for `n_points` points."""
    order = np.arange(n_points)
    return Element(order, matrix)


def vectors(sample: Sample) -> dict[str, np.ndarray]:
    """Return the arrays of a sample that rotate with it, by name."""
    values = {}
    for name in VECTORS:
        value = getattr(sample, name)
        if value is not None:
            values[name] = value
    return values


def haar(rng: np.random.Generator) -> np.ndarray:
    """Draw a rotation (3, 3), uniform on SO(3)."""
    turn = Rotation.random(rng=rng)
    return turn.as_matrix()


def direction(rng: np.random.Generator) -> np.ndarray:
    """Draw a unit vector (3,), uniform on the sphere."""
    vector = rng.normal(size=3)
    length = np.linalg.norm(vector)
    return vector / length


def reflection(normal: np.ndarray) -> np.ndarray:
    """Return the reflection (3, 3) in the plane with a unit normal (3,) (Householder)."""
    identity = np.eye(3)
    projection = np.outer(normal, normal)
    return identity - 2 * projection


def rotation(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Draw a Haar-random rotation about the origin."""
    matrix = haar(rng)
    return about_origin(matrix, n_points)


def rotation_z(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Draw a rotation about the third axis through the origin by a random angle."""
    angle = rng.uniform(0, 2 * np.pi)
    vector = [0, 0, angle]
    turn = Rotation.from_rotvec(vector)
    matrix = turn.as_matrix()
    return about_origin(matrix, n_points)


def inversion(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Return x -> -x."""
    matrix = -np.eye(3)
    return about_origin(matrix, n_points)


def mirror(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Draw a reflection in a plane through the origin of random orientation."""
    normal = direction(rng)
    matrix = reflection(normal)
    return about_origin(matrix, n_points)


def translation(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Draw a shift in a random direction, by each of the magnitudes in turn."""
    magnitude = MAGNITUDES[i % len(MAGNITUDES)]
    shift = magnitude * extent * direction(rng)
    label = f"translation_{magnitude:g}"
    order = np.arange(n_points)
    return Element(order, shift=shift, label=label)


def permutation(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Draw a random permutation of the points."""
    order = rng.permutation(n_points)
    return Element(order)


def euclidean(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Draw an element of E(3): a rotation, or an improper one for odd `i`, and a shift.

    The shift has the length of the points' extent.
    """
    is_proper = i % 2 == 0
    sign = 1 if is_proper else -1
    turn = haar(rng)
    matrix = sign * turn
    shift = extent * direction(rng)
    order = np.arange(n_points)
    return Element(order, matrix, shift)


def scaling(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """Draw x -> s x, s from 1/2 to 2, log-uniform."""
    exponent = rng.uniform(-1, 1)
    scale = float(2.0**exponent)
    order = np.arange(n_points)
    return Element(order, scale=scale)


@dataclass(frozen=True)
class Generator:
    """A kind of transformation.

    Attributes: draw, an element from (rng, n_points, extent, its number); claims, the symmetries
    that a method must claim in order to claim this one, none where it is only reported; limit, the
    largest number of elements worth drawing.
    """

    draw: Callable[[np.random.Generator, int, float, int], Element]
    claims: tuple[str, ...]
    limit: int = 10**9


GENERATORS = {
    "rotation": Generator(rotation, ("rotation",)),
    "inversion": Generator(inversion, ("reflection",), 1),
    "mirror": Generator(mirror, ("reflection",)),
    "translation": Generator(translation, ("translation",)),
    "permutation": Generator(permutation, ("permutation",)),
    "euclidean": Generator(euclidean, ("rotation", "reflection", "translation")),
    "scaling": Generator(scaling, (), 4),
    "rotation_z": Generator(rotation_z, ("rotation_z",)),
}


def draw(
    name: str, n_elements: int, n_points: int, extent: float, rng: np.random.Generator
) -> list[Element]:
    """Draw elements of the generator `name` for samples with this number of points and extent."""
    generator = GENERATORS[name]
    count = min(n_elements, generator.limit)
    return [generator.draw(rng, n_points, extent, i) for i in range(count)]
