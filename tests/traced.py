"""Which files of the library commands really load: `traced.py FOLDER < calls.json > files.json`.

Each call, `{"script": ..., "arguments": [...]}`, runs with the library imported anew, in the
folder. Epochs are traced and not compiled, which would take most of the time of so small a
training.
"""

import json
import os
import runpy
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "workflow/scripts"


def library() -> dict[str, object]:
    """The modules of the library that are loaded."""
    return {
        name: module for name, module in sys.modules.items() if name.split(".")[0] == "equitraj"
    }


def leave_out_epochs() -> None:
    """Make epochs of JAX networks return what they get, once they have been traced."""
    try:
        from jax import stages
    except ImportError:  # this is an environment without it
        return
    stages.Lowered.compile = lambda self, *options: lambda state, *others: (state, 0.0, 0.0)


def loaded(script: str, arguments: list[str]) -> list[str]:
    """The files of the library that a command loads, below the folder of commands."""
    for name in library():
        del sys.modules[name]
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(str(SCRIPTS / script), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    files = {
        Path(module.__file__) for module in library().values() if getattr(module, "__file__", None)
    }
    return sorted(str(path.relative_to(SCRIPTS)) for path in files)


def main() -> None:
    calls = json.load(sys.stdin)
    os.chdir(sys.argv[1])
    out, sys.stdout = sys.stdout, sys.stderr
    leave_out_epochs()
    json.dump([loaded(**call) for call in calls], out)


if __name__ == "__main__":
    sys.path.insert(0, str(SCRIPTS))
    main()
