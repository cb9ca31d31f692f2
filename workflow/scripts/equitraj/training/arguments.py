"""Command-line options that several commands share."""

import json
from argparse import ArgumentParser, _ActionsContainer
from pathlib import Path

from equitraj.base import devices


def add_training(parser: ArgumentParser) -> None:
    """Add the options that say what is trained, on which data, and where."""
    for name in ("task", "method"):
        parser.add_argument(
            f"--{name}", type=json.loads, required=True, help=f"the {name} as JSON, with its name"
        )
    parser.add_argument("--trajectory", type=Path, required=True, help="the lifted trajectory")
    parser.add_argument(
        "--aligned", type=Path, required=True, help="the reference frame of each sample"
    )
    parser.add_argument(
        "--device",
        choices=devices.CHOICES,
        default="auto",
        help="where models that profit from a GPU are trained",
    )


def add_step(parser: _ActionsContainer, step: str) -> None:
    """Add the options by which a step keeps the runs that it has made already."""
    parser.add_argument(
        "--code", default="", help=f"digest of the code; runs that the same code {step} are kept"
    )
    parser.add_argument(
        "--forced",
        nargs="*",
        default=[],
        help=f"runs that are {step} again in any case, by rule or file",
    )
    parser.add_argument(
        "--record", type=Path, help=f"{step}.sha256, the checksums of the files written"
    )
