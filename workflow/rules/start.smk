# The library, wherever the workflow was imported from, and the text of the files that configure it.
import sys
from pathlib import Path

SCRIPTS = Path(workflow.current_basedir.get_path_or_uri(secret_free=False)).parent / "scripts"
sys.path.insert(0, str(SCRIPTS))

if not SCRIPTS.is_dir():  # the address of a file on the web, or in a repository elsewhere
    address = workflow.current_basedir.get_path_or_uri(secret_free=True)
    sys.exit(f"{address}: equitraj runs from a folder; clone it, and name the Snakefile of the clone")

if any(character in str(SCRIPTS) for character in "{}<>"):
    sys.exit(f"{SCRIPTS.parents[1]}: Snakemake takes {{ }} < > in the name of a folder for patterns; rename the folder")

if workflow.is_main_process:  # its jobs have what it has checked
    from equitraj.study import schema

    try:
        for path in dict.fromkeys(["config.yaml", *map(str, workflow.overwrite_configfiles)]):
            if Path(path).is_file():
                schema.check_text(path)
    except ValueError as error:
        sys.exit(f"configuration: {error}")  # as it stands, without a line of this file around it
