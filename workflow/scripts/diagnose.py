"""Measure what each alignment does to the data of each task, and whether these data are
rotation-invariant.

Writes alignment.csv, perturbation.csv, eigengap.csv and isotropy.csv into one folder.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from equitraj.base import command
from equitraj.base.files import read_json, write_table
from equitraj.data import tasks
from equitraj.data.tasks import Histories, spread
from equitraj.data.trajectory import Trajectory, opened, opened_observables
from equitraj.frames import diagnostics, load_alignment
from equitraj.symmetry import isotropy

COLUMNS = {
    "alignment": "task alignment jump_rate eigengap_p01 perturbation_gain far_share rotation_error "
    "reflection_error "
    "rotation_error_planar rotation_error_collinear rotation_error_symmetric "
    "rotation_error_coincident",
    "perturbation": "task alignment moved point gain",
    "eigengap": "task quantile gap",
    "isotropy": "task frames statistic p_value verdict",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tasks", type=Path, required=True, help="tasks.json: task to source, history, lag, split"
    )
    parser.add_argument(
        "--alignments", type=Path, required=True, help="alignments.json: frames and options of each"
    )
    parser.add_argument(
        "--aligned", type=Path, required=True, help="the folder of TASK/ALIGNMENT.h5"
    )
    parser.add_argument(
        "--trajectories", type=Path, nargs="+", required=True, help="SOURCE/lifted.h5 files"
    )
    parser.add_argument("--output", type=Path, required=True, help="the folder of the four tables")
    args = parser.parse_args()
    alignments = read_json(args.alignments)
    rows: dict[str, list[dict]] = {name: [] for name in COLUMNS}
    with ExitStack() as files:
        trajectories = {
            path.parent.name: files.enter_context(opened(path)) for path in args.trajectories
        }
        for name, task in read_json(args.tasks).items():
            trajectory = trajectories[task["source"]]
            data_rows(rows, name, task, trajectory)
            aligned = [args.aligned / name / f"{alignment}.h5" for alignment in alignments]
            alignment_rows(rows, name, task["history"], trajectory, alignments, aligned)
    for name, columns in COLUMNS.items():
        write_table(args.output / f"{name}.csv", columns.split(), rows[name])


def data_rows(rows: dict[str, list[dict]], name: str, task: dict, trajectory: Trajectory) -> None:
    """Add what is a matter of the data: the gaps of all frames, and the test of the training
    frames."""
    histories = Histories(trajectory.position, trajectory.episode, 1)
    gaps = np.quantile(diagnostics.eigengaps(histories), diagnostics.QUANTILES)
    pairs = zip(diagnostics.QUANTILES.tolist(), gaps.tolist(), strict=True)
    rows["eigengap"] += [
        {"task": name, "quantile": quantile, "gap": gap} for quantile, gap in pairs
    ]
    newest = tasks.split_frames(trajectory.episode, task["history"], task["lag"], task["split"])
    few = newest["train"][spread(len(newest["train"]), isotropy.N_FRAMES)]
    rows["isotropy"].append(
        {"task": name}
        | isotropy.isotropy_test(trajectory.position[few], episode=trajectory.episode[few])
    )


def alignment_rows(
    rows: dict[str, list[dict]],
    name: str,
    history: int,
    trajectory: Trajectory,
    alignments: dict,
    aligned: list[Path],
) -> None:
    """Add what each alignment does to the histories of all frames; a learned one belongs to a
    trained method."""
    histories = Histories(trajectory.position, trajectory.episode, history)
    for path in aligned:
        chosen = alignments[path.stem]
        alignment = load_alignment(chosen["frames"], chosen["options"])
        if alignment.learned:
            continue
        aligner = diagnostics.Aligner(alignment, reference_of(path))
        row, gains = diagnostics.diagnose(aligner, histories, trajectory.episode)
        head = {"task": name, "alignment": path.stem}
        rows["alignment"].append(head | row)
        rows["perturbation"] += [
            head | {"moved": moved, "point": point, "gain": gain}
            for moved, line in enumerate(gains.tolist())
            for point, gain in enumerate(line)
        ]


def reference_of(path: Path) -> np.ndarray | None:
    """What an alignment was fitted to, if it was."""
    with opened_observables(path) as observables:
        return observables["reference"][:] if "reference" in observables else None


if __name__ == "__main__":
    command.run(main)
