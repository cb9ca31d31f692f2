"""The group actions of the audit: g x = s A x + t for every point and frame alike, and the renaming
of points.

A is orthogonal, t one vector for the whole sample (a *rigid* translation), s a positive factor;
points are renamed together with their features and bonds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.spatial.transform import Rotation

from equitraj.data.tasks import Sample

MAGNITUDES = (0.1, 1.0, 10.0)  # of translations, in units of the points' extent


@dataclass(frozen=True)
class Element:
    """Attributes: order (N,), place i of the new sample holds point order[i]; matrix (3, 3),
    orthogonal; shift (3,); scale, positive; label, the row of the table that counts it besides its
    generator's own."""

    order: np.ndarray
    matrix: np.ndarray = field(default_factory=lambda: np.eye(3))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(3))
    scale: float = 1.0
    label: str = ""

    def apply(self, sample: Sample) -> Sample:
        """g x: positions, velocities, box, features and bonds of a sample transformed together."""

        def place(value: np.ndarray | None) -> np.ndarray | None:
            return None if value is None else value[..., self.order, :]

        def turn(value: np.ndarray | None, shift: np.ndarray | float) -> np.ndarray | None:
            return None if value is None else self.scale * (place(value) @ self.matrix.T) + shift

        return replace(
            sample,
            position=turn(sample.position, self.shift),
            target=turn(sample.target, self.shift),
            velocity=turn(sample.velocity, 0.0),
            box=None if sample.box is None else self.scale * (sample.box @ self.matrix.T),
            scalar=place(sample.scalar),
            mass=None if sample.mass is None else sample.mass[:, self.order],
            edges=None if sample.edges is None else np.argsort(self.order)[sample.edges],
        )

    def undo(self, prediction: np.ndarray) -> np.ndarray:
        """g^-1 y for predicted positions (B, N, 3)."""
        return (((prediction - self.shift) / self.scale) @ self.matrix)[:, np.argsort(self.order)]


def haar(rng: np.random.Generator) -> np.ndarray:
    """A rotation (3, 3), uniform on SO(3)."""
    return Rotation.random(rng=rng).as_matrix()


def direction(rng: np.random.Generator) -> np.ndarray:
    """A unit vector (3,), uniform on the sphere."""
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def rotation(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """A Haar-random rotation about the origin."""
    return Element(np.arange(n_points), haar(rng))


def rotation_z(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """A rotation about the third axis through the origin by a random angle."""
    return Element(
        np.arange(n_points), Rotation.from_rotvec([0, 0, rng.uniform(0, 2 * np.pi)]).as_matrix()
    )


def inversion(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """x -> -x."""
    return Element(np.arange(n_points), -np.eye(3))


def mirror(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """The reflection in a plane through the origin of random orientation (Householder)."""
    normal = direction(rng)
    return Element(np.arange(n_points), np.eye(3) - 2 * np.outer(normal, normal))


def translation(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """A shift in a random direction, by each of the magnitudes in turn."""
    magnitude = MAGNITUDES[i % len(MAGNITUDES)]
    shift = magnitude * extent * direction(rng)
    return Element(np.arange(n_points), shift=shift, label=f"translation_{magnitude:g}")


def permutation(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """A random renaming of the points."""
    return Element(rng.permutation(n_points))


def euclidean(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """An element of E(3): a rotation or, every other time, an improper one, and a shift by the
    points' extent."""
    sign = 1 if i % 2 == 0 else -1
    return Element(np.arange(n_points), sign * haar(rng), extent * direction(rng))


def scaling(rng: np.random.Generator, n_points: int, extent: float, i: int) -> Element:
    """x -> s x, s from 1/2 to 2, evenly in the logarithm."""
    return Element(np.arange(n_points), scale=float(2.0 ** rng.uniform(-1, 1)))


@dataclass(frozen=True)
class Generator:
    """Attributes: draw, an element from (rng, n_points, extent, its number); claims, the symmetries
    that a method must claim to claim this one, none where it can only be reported; limit, how many
    elements are worth drawing."""

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
    """Elements of the generator `name` for samples of this many points and this extent."""
    generator = GENERATORS[name]
    return [
        generator.draw(rng, n_points, extent, i) for i in range(min(n_elements, generator.limit))
    ]
