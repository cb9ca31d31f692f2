"""Predictions or a rollout of a run for other programs: XTC or extended XYZ, the true frames and a
PDB file beside it.

python workflow/scripts/export.py results/runs/space_k2/egnn/nall/seed0 --output egnn.xtc
python workflow/scripts/export.py results/runs/space_k2/egnn/nall/seed0 --output egnn.xyz \
    --what rollout --steps 50

The first line writes egnn.xtc, egnn_truth.xtc and egnn.pdb: MDAnalysis.Universe("egnn.pdb",
"egnn.xtc") opens it.
"""

import argparse
from pathlib import Path

from equitraj.base import command, devices
from equitraj.data.trajectory import read
from equitraj.prediction import export


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "run", type=Path, help="a run folder: results/runs/TASK/METHOD/nSIZE/seedSEED"
    )
    parser.add_argument(
        "--what",
        choices=["predictions", "rollout"],
        default="predictions",
        help="default: predictions",
    )
    parser.add_argument(
        "--output", type=Path, required=True, help="the file to write: .xtc, .xyz or .extxyz"
    )
    parser.add_argument(
        "--trajectory",
        type=Path,
        help="default: lifted.h5 of the run's source, in the same results",
    )
    parser.add_argument(
        "--start",
        type=int,
        help="rollout: the newest frame it knows (default: the first of the test)",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help=f"rollout: predictions fed back (default: {export.STEPS}, or fewer)",
    )
    return parser.parse_args()


def main() -> None:
    args = arguments()
    devices.hide()  # as evaluation predicts
    trajectory = read(args.trajectory or export.trajectory_of(args.run))
    if args.what == "rollout":
        predicted = export.rollout(args.run, trajectory, args.start, args.steps)
    else:
        predicted = export.predictions(args.run, trajectory)
    print("\n".join(export.write(args.output, trajectory, predicted)))


if __name__ == "__main__":
    command.run(main)
