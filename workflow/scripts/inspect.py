"""Say what is in a trajectory file, and print the entry of a study file for it; all that is printed
is such a file.

python workflow/scripts/inspect.py my_trajectory.npz
python workflow/scripts/inspect.py md.xtc --topology md.gro --selection "name CA" >
studies/protein.yaml
"""

if __name__ == "inspect":
    # Python looks for modules in this folder first: who imports `inspect`, as dataclasses does,
    # wants the library's.
    import os
    import sys
    from importlib import util
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec(__name__, [os.path.dirname(os.__file__)])
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[__name__] = (
        module  # only now: a thread that imports it meanwhile waits for this file to end
    )


def main() -> None:
    """Look, and print."""
    import argparse
    import json
    from pathlib import Path

    import yaml

    from equitraj.data import inspection
    from equitraj.data.lift import lift
    from equitraj.symmetry.isotropy import described, isotropy_test

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "path", metavar="FILE", nargs="+", help="a file, or several of the same points, as episodes"
    )
    parser.add_argument("--topology", help="topology, for formats that need one")
    parser.add_argument("--selection", help="MDAnalysis selection of the atoms to keep")
    parser.add_argument(
        "--array", help="name of the array of positions (default: guessed by name and shape)"
    )
    parser.add_argument(
        "--source", type=json.loads, default={}, help="other keys of the source, as JSON"
    )
    parser.add_argument("--name", help="name of the source (default: that of the file)")
    arguments = vars(parser.parse_args())
    name, path, keys = (arguments.pop(key) for key in ("name", "path", "source"))
    source = (
        {"path": path[0] if len(path) == 1 else path}
        | {k: v for k, v in arguments.items() if v}
        | keys
    )
    config = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text(encoding="utf-8"))
    found = inspection.look(source, name, taken=config["sources"])  # the study is laid over it
    found.said["Orientation"] = [described(isotropy_test(lift(found.trajectory).position))]
    print(found.text(), end="")


if __name__ == "__main__":
    from equitraj.base import command

    command.run(main)
