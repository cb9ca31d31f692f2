"""How far a published error of charged bodies depends on which simulations are tested: trained runs
on other test sets.

python tests/benchmarks/bodies.py results/runs/nbody/egnn_published/nall/seed0 [more run folders]

Prints for each of six new sets of 2,000 simulations the mean square error of each run, of x + k v
with the best k, and the standard deviation of the mean that one set has.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/scripts"))

from equitraj.data import tasks  # noqa: E402
from equitraj.data.sources.systems import n_body  # noqa: E402
from equitraj.prediction import predictor  # noqa: E402

SETS, SIMULATIONS, LAG = 6, 2000, 10
FIRST_SEED = 101  # none of those of the tasks


def errors(runs: list, seed: int) -> np.ndarray:
    """(runs + 1, simulations) mean square errors, those of x + k v last."""
    made = n_body.simulate(n_body.Options(seed=seed, episodes=SIMULATIONS), SIMULATIONS * (LAG + 1))
    sample = tasks.samples(
        made, np.arange(0, len(made.position), LAG + 1), 1, LAG, ["velocity", "charge"]
    )
    start, velocity = sample.position[:, -1], sample.velocity
    slope = (velocity * (sample.target - start)).sum() / np.square(velocity).sum()
    predicted = [*(run.predict(sample) for run in runs), start + slope * velocity]
    return np.stack([np.square(p - sample.target).mean((1, 2)) for p in predicted])


def main() -> None:
    runs = [predictor.load(folder) for folder in sys.argv[1:]]
    found = np.stack([errors(runs, FIRST_SEED + i) for i in range(SETS)])
    for i, each in enumerate(found.mean(-1)):
        print(
            f"set {i + 1}: runs {' '.join(f'{e:.5f}' for e in each[:-1])}   x + k v {each[-1]:.4f}"
        )
    deviation = found.std(-1)[:, :-1].mean() / SIMULATIONS**0.5
    print(
        f"runs: mean {found[:, :-1].mean():.5f}; a set of {SIMULATIONS} has a standard deviation "
        f"of {deviation:.5f}"
    )


if __name__ == "__main__":
    main()
