"""Write down the configuration of a study, defaults and all: --config JSON --output results/config.json."""

import argparse
import json
from pathlib import Path

from equitraj.base import command
from equitraj.base.files import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=json.loads, required=True, help="the configuration as JSON")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    write_json(args.output, args.config)


if __name__ == "__main__":
    command.run(main)
