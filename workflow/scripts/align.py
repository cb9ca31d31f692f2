"""Align a trajectory: write each frame in its own frame, with rotation, origin and weight."""

import argparse
import json
from pathlib import Path

from equitraj.base import command
from equitraj.frames.run import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trajectory", type=Path, required=True)
    parser.add_argument(
        "--task", type=json.loads, required=True, help="the task as JSON, with its name"
    )
    parser.add_argument("--name", required=True, help="name of the alignment")
    parser.add_argument(
        "--alignment",
        type=json.loads,
        required=True,
        help="JSON: its file in alignments/ and options",
    )
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    try:
        run(args.trajectory, args.task, args.name, args.alignment, args.output)
    except ValueError as error:
        raise SystemExit(f"error: task {args.task['name']}: {error}") from error


if __name__ == "__main__":
    command.run(main)
