"""Make a trajectory file by a simulation (`kind: simulate`)."""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

from equitraj.base import command
from equitraj.data import trajectory as files
from equitraj.data.sources import declared, simulation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--source", type=json.loads, required=True, help="the source of the config, as JSON"
    )
    parser.add_argument("--output", type=Path, required=True, help="the trajectory file to write")
    arguments = parser.parse_args()
    source, start = arguments.source, time.perf_counter()
    system = source.get("system")
    frames = source.get("frames", simulation.FRAMES)
    trajectory, options = simulation.simulate(system, source.get("options", {}), frames)
    made = {
        "source": source,
        "system": system,
        "options": options,
        "engine": simulation.engine(system),
    }
    trajectory = declared.apply(
        replace(trajectory, provenance=trajectory.provenance | made), system, source
    )
    files.write(arguments.output, trajectory)
    frames, points, dimension = trajectory.position.shape
    seconds = time.perf_counter() - start
    print(
        f"{arguments.output}: {frames} frames of {points} points in {dimension}-D, {seconds:.1f} s",
        file=sys.stderr,
    )


if __name__ == "__main__":
    command.run(main)
