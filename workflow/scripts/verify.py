"""Check every file of a study against its record, and every run against its folder; list what
killed jobs left.

python workflow/scripts/verify.py [results reports]

Ends with 1 where anything is wrong, and prints the commands that mend it. Call it while no study
runs.
"""

import argparse
from pathlib import Path

from equitraj.base import command
from equitraj.study import verify


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("results"), Path("reports")])
    folders = parser.parse_args().folders
    if absent := [str(folder) for folder in folders if not folder.is_dir()]:
        raise ValueError(
            f"no such folder: {', '.join(absent)}; expected the folders of a study's results and "
            "reports"
        )
    number, problems = verify.verify(folders)
    print(verify.text(number, problems))
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    command.run(main)
