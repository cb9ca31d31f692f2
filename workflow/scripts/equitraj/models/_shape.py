"""What a model needs to know of its task to be built."""

from dataclasses import dataclass

from equitraj.features import Statistics


@dataclass(frozen=True)
class Shape:
    """Attributes: n_points N; n_displacements K - 1; n_scalars F; statistics of the training split."""

    n_points: int
    n_displacements: int
    n_scalars: int
    statistics: Statistics
