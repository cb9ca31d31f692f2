# Helpers that rules read their inputs and parameters from.
import json
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from equitraj.base import addresses
from equitraj.base import code as library_code
from equitraj.base import devices
from equitraj.base import files
from equitraj.base import marks
from equitraj.base import registry
from equitraj.data.sources import entry as source_entry
from equitraj.report import figures
from equitraj.study import jobs
from equitraj.study import plan
from equitraj.study.fits import resolved_alignment
from equitraj.study.jobs import as_json
from equitraj.study.jobs import pattern

from snakemake_interface_executor_plugins.settings import DeploymentMethod

PLACE = Path(".snakemake/equitraj")  # what is no result

# Passwords and tokens go to downloads in the environment, and nowhere else.
config = addresses.keep(config)
for words in (sys.argv, workflow.config_settings.config_args):
    words[:] = map(addresses.without_secrets, words)

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
    return shlex.join(map(addresses.without_secrets, words))


# Without environments jobs run the interpreter that runs Snakemake, whatever `python` is in the shell.
if not workflow.deployment_settings.deployment_method:
    os.environ.update(PATH=os.pathsep.join(map(str, [jobs.folder_of_python(PLACE), *os.get_exec_path()])))
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


def script(name):
    """Path of a command in workflow/scripts.

    `local`, because code is no result that a remote storage would hold; `ancient`, because what the file does is compared
    as a parameter (`code`), which a comment does not change.
    """
    return ancient(local(relative(SCRIPTS / name)))


library_code.keep(PLACE / "code.json")


@cache
def code(*names):
    """The digest of the named files of the library, or commands, with all library files they import.

    A parameter: as inputs, fifty files for each job, they took most of what parsing a large study takes.
    """
    return library_code.code_digest(*(SCRIPTS / name if "/" not in name else registry.LIBRARY / name for name in names))


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


def own_files(wildcards):
    """The files of a user's own that a source names, but for those whose names are patterns to Snakemake."""
    return [path for path in jobs.own_files(config["sources"][wildcards.source]) if not jobs.is_pattern(path)]


def files_of_odd_names(wildcards):
    """The others, with what tells that they have changed."""
    odd = [path for path in jobs.own_files(config["sources"][wildcards.source]) if jobs.is_pattern(path)]
    return jobs.digest({path: jobs.state_of(path) for path in odd})


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


def task_system(wildcards):
    """The file that tells the energy of a task's data, where they are simulated."""
    return system_files(config["tasks"][wildcards.task]["source"])


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


@cache
def in_use(kind):
    """The tasks or methods of the study, of searches, and of what the call names: of those that are only defined, which
    may be many, patterns would take most of the time of a run that has nothing to do."""
    if Path(workflow.main_snakefile).resolve() != (SCRIPTS.parents[1] / "Snakefile").resolve():
        return list(config[kind])  # another workflow may ask for any
    words = {word for text in sys.argv for word in re.split(r"\W+", text)}
    chosen = {*STUDY[kind], *(search[kind.removesuffix("s")] for search in config.get("tune", {}).values())}
    return [name for name in config[kind] if name in chosen or name in words]


def methods_of_framework(framework, gpu=None):
    """Pattern of the methods of one framework; with `gpu`, of those that profit from a GPU, or of the others."""
    chosen = [m for m in in_use("methods") if spec(m).framework == framework]
    return pattern(m for m in chosen if gpu is None or spec(m).gpu == gpu)


def lifted(wildcards):
    """Lifted trajectory of a task's source."""
    return f"<results>/data/{config['tasks'][wildcards.task]['source']}/lifted.h5"


def alignment_of(method):
    """Alignment of a method."""
    return jobs.alignment_of(config, method)


def alignment_spec(name):
    """File and options of an alignment."""
    return resolved_alignment(name, config["alignments"])


def alignment_file(name):
    """The file of an alignment in the library."""
    return f"frames/alignments/{alignment_spec(name)['frames']}.py"


def aligned(wildcards):
    """Aligned trajectory that a method trains on."""
    return f"<results>/aligned/{wildcards.task}/{alignment_of(wildcards.method)}.h5"


def method_code(command, *others):
    """A function that gives the digest of the code that a command runs for a method.

    Args:
        others: functions of wildcards that give more files of the library.
    """

    def digest(wildcards):
        model = config["methods"][wildcards.method]["model"]
        frames = alignment_spec(alignment_of(wildcards.method))["frames"]
        more = [registry.LIBRARY / name for function in others for name in function(wildcards)]
        return library_code.command_digest(command, model, frames, *more)

    return digest


def weights(wildcards):
    """The file of a pretrained method, if it is one; its checksum is among the parameters."""
    path = config["methods"][wildcards.method].get("pretrained", {}).get("path")
    return [path] if path and not jobs.is_pattern(path) else []


ENVIRONMENTS = {"numpy": "data", "jax": "jax", "torch": "torch"}  # of the methods of a framework


def environment_of_method(wildcards):
    """The environment of a method: that of its framework, or the one that its model file names."""
    name = spec(wildcards.method).environment or ENVIRONMENTS[spec(wildcards.method).framework]
    return f"../../envs/{name}.yaml"


def environment(framework):
    """The environment of a rule for one framework.

    A path where that is enough: --containerize refuses functions in rules that a study does not use.
    """
    is_enough = not any(spec(method).environment for method in config["methods"])
    return f"../../envs/{ENVIRONMENTS[framework]}.yaml" if is_enough else environment_of_method


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
AUDITED_PLAN = plan.audited(PLAN, config["audit"].get("sizes", "all"))
ALIGNMENTS = sorted({alignment_of(m) for m in STUDY["methods"]})
STUDY_SOURCES = sorted({config["tasks"][t]["source"] for t in STUDY["tasks"]})

# One job trains all sizes and seeds of a method on a task, or those of one size: so a framework is imported and a network
# compiled once. Its outputs are updated: runs that are there and are as the study wants them are not made again.
BY_SIZE = config.get("batch", "method") == "size"
BATCH = "{task}/{method}/n{size}" if BY_SIZE else "{task}/{method}"
OF_SIZE = " (n={wildcards.size})" if BY_SIZE else ""
RUNS = f"<results>/runs/{BATCH}"


def batches(of=PLAN):
    """The batches of a plan."""
    return plan.batches(of) if BY_SIZE else plan.pairs(of)


def runs_of(step):
    """The runs that a step makes in one job, below the folder of their batch."""
    return jobs.runs((AUDITED_PLAN if step == "audited" else PLAN)["train_sizes"], SEEDS, BY_SIZE)


def batch_files(step, folder=RUNS):
    """What a step writes for the runs of a batch."""
    return jobs.step_files(folder, step, runs_of(step))


def batch_record(step, folder=RUNS):
    """The digests of what a step wrote for the runs of a batch."""
    return f"{folder}/{step}.sha256"


def done(step, folder=RUNS):
    """What tells a later step that this one is done: its record, and where inputs have to be fetched, all its files.

    With all files of all runs as inputs, finding the job that makes each of them would take a large study minutes.
    """
    return [batch_record(step, folder), *(batch_files(step, folder) if IS_REMOTE else [])]


def changed(step, folder=RUNS):
    """A function that gives those files of a step that are gone, of a seed that was added, or no longer as written.

    They are asked for by name, so that the jobs run that make them, and those that read them and see what is wrong.
    """

    def paths(wildcards):
        here = workflow.pathvars.apply(folder).format(**dict(wildcards.items()))
        return [] if IS_REMOTE else jobs.changed_files(Path(batch_record(step, here)), batch_files(step, here))

    return paths


def all_done(step, of=PLAN):
    """A function that gives what tells that a step is done for all of a plan, and its files that have changed."""

    def paths():
        for batch in batches(of):
            yield from done(step, f"<results>/runs/{batch}")
            yield from changed(step, f"<results>/runs/{batch}")({})

    return lambda wildcards: list(paths())


def run_folders(step):
    """A function that gives the run folders of a batch."""
    return lambda wildcards, output: [f"{Path(output.record).parent}/{run}" for run in runs_of(step)]


def batch_folder(wildcards, output):
    """Folder that holds the folders of the training sizes."""
    return Path(output.record).parents[1 if BY_SIZE else 0]


def sizes(wildcards, output):
    """The training sizes of a batch; they are not compared, as output files are."""
    return [wildcards.size] if BY_SIZE else PLAN["train_sizes"]


def seeds(wildcards, output):
    """The seeds of a batch; they are not compared, as output files are."""
    return SEEDS


FORCED = "EQUITRAJ_FORCED"  # for the jobs of a cluster, whose call does not tell


def forced(wildcards, output):
    """What the call wants made whatever is there: names of rules, and files."""
    settings = workflow.dag_settings
    if workflow.is_main_process:
        named = {marks.EVERYTHING} if settings.forceall else {str(name) for name in settings.forcerun}
        named |= {str(name) for name in settings.targets} if settings.forcetargets else set()
        os.environ[FORCED] = "\n".join(sorted(named))
    return os.environ.get(FORCED, "").splitlines()


# What is too large for a command line goes to jobs in files. This process writes what they are copied from.
SETTINGS = jobs.settings(config)
GIVEN = PLACE / f"{jobs.digest(SETTINGS)}.json"
if workflow.is_main_process and not workflow.dryrun and not GIVEN.exists():
    with files.atomic(GIVEN, recorded=False) as temporary:
        temporary.write_text(as_json(SETTINGS), encoding="utf-8")


def setting(name):
    """The file with one part of the configuration."""
    return f"<results>/{name}.json"


memory_of = jobs.Memory()


def memory(log, megabytes):
    """Memory of a job, in MB: more for each attempt that follows one which was killed for want of it."""

    def found(wildcards, attempt):
        path = workflow.pathvars.apply(log).format(**dict(wildcards.items()))
        return memory_of.megabytes(Path(path), megabytes, attempt)

    return found


def minutes(base):
    """Time of a job, in minutes: more for each attempt."""
    return lambda wildcards, attempt: base * attempt


def runs_folder(wildcards, input):
    """Folder that holds the run folders of the study."""
    return Path(input.trained[0]).parents[3 if BY_SIZE else 2]


def input_pairs(wildcards, input):
    """The data of figures as KEY=PATH."""
    return [f"{k}={v}" for k, v in input.items() if k != "script"]


wildcard_constraints:
    source=pattern(config["sources"]),
    task=pattern(in_use("tasks")),
    method=pattern(in_use("methods")),
    alignment=pattern({*registry.names(registry.ALIGNMENTS), *config["alignments"]}),
    size=r"all|\d+",
    setting=pattern(SETTINGS),
