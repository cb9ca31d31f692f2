# Helpers that rules read their inputs and parameters from.
import json
import os
import shlex
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from equitraj.base import devices
from equitraj.base import files
from equitraj.base import registry
from equitraj.data.sources import entry as source_entry
from equitraj.study import fits
from equitraj.study import plan
from equitraj.study import routes
from equitraj.training import record

from snakemake_interface_executor_plugins.settings import DeploymentMethod

if workflow.is_main_process:  # its jobs have what it has checked
    from equitraj.study import config as configuration

    try:
        configuration.check(config)
    except ValueError as error:
        sys.exit(f"configuration: {error}")


@cache
def relative(path):
    """A path as seen from the working directory, where it lies below it."""
    path, here = Path(path).resolve(), Path.cwd().resolve()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def call():
    """The command that runs this study here, without targets."""
    program = relative(Path(sys.executable).parent.absolute() / "snakemake")
    words = [program if not Path(program).is_absolute() else "snakemake", "--cores", "all"]
    if Path(workflow.main_snakefile).resolve() != Path("Snakefile").resolve():
        words += ["--snakefile", relative(workflow.main_snakefile)]
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
        words += ["--sdm", "conda"]
    if workflow.config_settings.configfiles:
        words += ["--configfile", *map(relative, workflow.config_settings.configfiles)]
    if given := workflow.config_settings.config:
        words += ["--config", *(f"{k}={v if isinstance(v, str) else json.dumps(v)}" for k, v in given.items())]
    return shlex.join(words)


if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
    os.environ.update(PYTHONNOUSERSITE="1")  # packages of the user's own are in no environment

# Without a cluster's executor the devices are here: at most as many GPU jobs run as there are devices. Elsewhere the
# cluster counts them, and each job looks for itself.
IS_LOCAL = workflow.is_main_process and workflow.resource_settings.nodes is None
if IS_LOCAL:
    try:
        devices.check(config["device"])
    except ValueError as error:
        sys.exit(f"configuration: {error}")
    if config["device"] != "cpu" and devices.found() and workflow.global_resources.get("gpu").value is None:
        workflow.register_resource("gpu", len(devices.found()))

if workflow.is_main_process and not workflow.dryrun:
    places = [Path(workflow.pathvars.apply(f"<{name}>")) for name in ("results", "reports", "logs", "benchmarks")]
    try:
        files.check_writable([Path.cwd(), *places, *(path for path in places[0].glob("*") if path.is_dir())])
    except files.NotWritten as error:
        sys.exit(str(error))

# whatever JAX compiles is kept for the next job of the same network
os.environ.setdefault("EQUITRAJ_COMPILED", str(Path(workflow.pathvars.apply("<results>")).absolute() / "compiled"))
# XLA takes hints on tuning for instructions, and warns of missing ones whenever it loads such a program
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

os.environ[files.AGAIN] = call()  # the records of what jobs write name the command that makes it again

STUDY = config["study"]
SEEDS = sorted(STUDY["seeds"])
IS_REMOTE = workflow.storage_settings.default_storage_provider is not None
NOTHING = "(?!)"  # a wildcard pattern that nothing matches


def script(name):
    """Path of a command in workflow/scripts; `local`, because code is no result that a remote storage would hold."""
    return local(relative(SCRIPTS / name))


@cache
def code(*names):
    """The named files of the library, or commands, and the digest of them with all library files they import.

    A parameter: as inputs, fifty files for each job, they took most of what parsing a large study takes.
    """
    paths = [SCRIPTS / name if "/" not in name else registry.LIBRARY / name for name in names]
    return f"{' '.join(names)}: {registry.code_digest(*paths)}"


def as_json(value):
    """JSON with sorted keys, so that the order of keys is no change."""
    return json.dumps(value, sort_keys=True)


def pattern(names):
    """A wildcard pattern that matches these names only."""
    return "|".join(sorted(names)) or NOTHING


def sources_of_kind(kind):
    """Pattern of the sources of one kind."""
    return pattern(n for n, s in config["sources"].items() if s["kind"] == kind)


def source_json(wildcards):
    """A source and its name."""
    return as_json(config["sources"][wildcards.source] | {"name": wildcards.source})


def file_source_json(wildcards):
    """A source of files and its name, with the files that its patterns match."""
    source = config["sources"][wildcards.source]
    files = source_entry.paths(source)
    return as_json(source | {"name": wildcards.source, "path": files if len(files) > 1 else files[0]})


def fetching_code(wildcards):
    """Files that read a source."""
    form = source_entry.format_of(config["sources"][wildcards.source])
    return code("fetch.py", f"{source_entry.FORMATS}/{form}.py")


def simulation_code(wildcards):
    """Files that simulate a source."""
    return code("simulate.py", f"data/sources/systems/{config['sources'][wildcards.source]['system']}.py")


def system_files(source):
    """The file of the system that a source simulates, in the library; [] for other sources."""
    system = config["sources"][source].get("system")
    return [f"data/sources/systems/{system}.py"] if system else []


def system_code(wildcards):
    """The file that tells the energy of a task's data, where they are simulated."""
    return code(*system_files(config["tasks"][wildcards.task]["source"]))


def task_json(wildcards):
    """A task and its name."""
    return as_json(config["tasks"][wildcards.task] | {"name": wildcards.task})


def method_json(wildcards):
    """A method, its name, and file and options of its alignment."""
    frames = alignment_spec(alignment_of(wildcards.method))
    resolved = {"name": wildcards.method, "frames": frames["frames"], "frame_options": frames["options"]}
    method = {key: value for key, value in config["methods"][wildcards.method].items() if key != "against"}
    return as_json(method | resolved)


def spec(method):
    """What the model file of a method says of itself."""
    return registry.model_spec(config["methods"][method]["model"])


def gpus(wildcards):
    """Number of GPUs for a training that profits from one: none where there can be none."""
    return int(config["device"] != "cpu" and (not IS_LOCAL or bool(devices.found())))


def methods_of_framework(framework, gpu=None):
    """Pattern of the methods of one framework; with `gpu`, of those that profit from a GPU, or of the others."""
    chosen = [m for m in config["methods"] if spec(m).framework == framework]
    return pattern(m for m in chosen if gpu is None or spec(m).gpu == gpu)


def lifted(wildcards):
    """Lifted trajectory of a task's source."""
    return f"<results>/data/{config['tasks'][wildcards.task]['source']}/lifted.h5"


def alignment_of(method):
    """Alignment of a method."""
    return config["methods"][method].get("alignment", "none")


def alignment_spec(name):
    """File and options of an alignment."""
    return fits.resolved_alignment(name, config["alignments"])


def alignment_file(name):
    """The file of an alignment in the library."""
    return f"frames/alignments/{alignment_spec(name)['frames']}.py"


def aligned(wildcards):
    """Aligned trajectory that a method trains on."""
    return f"<results>/aligned/{wildcards.task}/{alignment_of(wildcards.method)}.h5"


def method_code(name, **by_framework):
    """A function that gives the files of a command, of a method's model and alignment, and of its framework's part.

    Args:
        by_framework: the file of each framework that has one.
    """

    def files(wildcards):
        frames, framework = alignment_spec(alignment_of(wildcards.method))["frames"], spec(wildcards.method).framework
        learned = [f"frames/canonical/{framework}.py"] if registry.is_learned(frames) else []
        own = [f"models/{config['methods'][wildcards.method]['model']}.py", f"frames/alignments/{frames}.py"]
        return code(name, *own, *learned, *([by_framework[framework]] if framework in by_framework else []))

    return files


def weights(wildcards):
    """The file of a pretrained method, if it is one."""
    return config["methods"][wildcards.method].get("pretrained", {}).get("path", [])


def environment(path):
    """The environment of a rule: that of its framework, but for methods whose model file names its own."""
    own = {m: spec(m).environment for m in config["methods"] if spec(m).environment}
    if not own:
        return path
    folder = SCRIPTS.parent.parent / "envs"
    return lambda wildcards: str(folder / f"{own.get(wildcards.method, Path(path).stem)}.yaml")


SEARCHES = config.get("tune", {})


def of_search(function):
    """What `function` says of the task and the method that a search names."""

    def found(wildcards):
        search = SEARCHES[wildcards.search]
        return function(SimpleNamespace(task=search["task"], method=search["method"]))

    return found


def gpus_of_search(wildcards):
    """Number of GPUs for a search: those of a training."""
    return gpus(wildcards) if spec(SEARCHES[wildcards.search]["method"]).gpu else 0


def search_json(wildcards):
    """What a search draws, and how often."""
    search = {"seed": 0, "train_size": "all"} | SEARCHES[wildcards.search]
    return as_json({key: value for key, value in search.items() if key not in ("task", "method")})


PLAN = plan.of(config)
BATCHES = plan.batches(PLAN)
AUDITED = plan.batches(plan.audited(PLAN, config["audit"].get("sizes", "all")))
ALIGNMENTS = sorted({alignment_of(m) for m in STUDY["methods"]})
STUDY_SOURCES = sorted({config["tasks"][t]["source"] for t in STUDY["tasks"]})


BATCH = "<results>/runs/{task}/{method}/n{size}"


def batch_files(step, batch=BATCH):
    """What a step writes for all seeds of a method on a task."""
    return [f"{batch}/seed{seed}/{name}" for seed in SEEDS for name in record.FILES[step]]


def batch_record(step, batch=BATCH):
    """The digests of what a step wrote for all seeds of a method on a task."""
    return f"{batch}/{step}.sha256"


def done(step, batch=BATCH):
    """What tells a later step that this one is done: its record, and where inputs have to be fetched, all its files.

    With all files of all runs as inputs, finding the job that makes each of them would take a large study minutes.
    """
    return [batch_record(step, batch), *(batch_files(step, batch) if IS_REMOTE else [])]


def is_changed(path, since):
    """Whether a file is gone, or is newer than `since` and not as its record says."""
    if not path.exists():
        return True
    written = files.read_record(path) if path.stat().st_mtime > since else None
    return bool(written and written.difference(path))


def changed(step, batch=BATCH):
    """A function that gives those files of a step that are gone, of a seed that was added, or no longer as written.

    They are asked for by name, so that the jobs run that make them, and those that read them and see what is wrong.
    """

    def paths(wildcards):
        folder = workflow.pathvars.apply(batch).format(**dict(wildcards.items()))
        if IS_REMOTE or not os.path.exists(written := batch_record(step, folder)):
            return []
        since = os.stat(written).st_mtime
        return [path for path in batch_files(step, folder) if is_changed(Path(path), since)]

    return paths


def all_done(step, batches=BATCHES):
    """A function that gives what tells that a step is done for all of `batches`, and its files that have changed."""

    def paths():
        for batch in batches:
            yield from done(step, f"<results>/runs/{batch}")
            yield from changed(step, f"<results>/runs/{batch}")({})

    return lambda wildcards: list(paths())


def batch_folder(wildcards, output):
    """Folder that holds the run folders of all seeds."""
    return Path(output.record).parent


def run_folders(wildcards, output):
    """Run folders of all seeds."""
    return [f"{Path(output.record).parent}/seed{seed}" for seed in SEEDS]


def runs_folder(wildcards, input):
    """Folder that holds the run folders of the study."""
    return Path(input.trained[0]).parents[3]


def input_pairs(wildcards, input):
    """The data of a figure as KEY=PATH."""
    return [f"{k}={v}" for k, v in input.items() if k != "script"]


wildcard_constraints:
    source=pattern(config["sources"]),
    task=pattern(config["tasks"]),
    method=pattern(config["methods"]),
    alignment=pattern({*registry.names(registry.ALIGNMENTS), *config["alignments"]}),
    size=r"all|\d+",
