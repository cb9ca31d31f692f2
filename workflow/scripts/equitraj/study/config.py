"""Checks of the configuration, made when the workflow is parsed: the wrong key, what is allowed,
the nearest match."""

from pathlib import Path, PurePosixPath

from equitraj.base.allowed import nearest, options
from equitraj.base.registry import (
    ALIGNMENTS,
    LIBRARY,
    alignment_options,
    check_values,
    is_learned,
    model_spec,
    names,
)
from equitraj.data.sources import entry
from equitraj.report import figures
from equitraj.study import fits, schema
from equitraj.study.fits import resolved_alignment
from equitraj.training.options import TrainingOptions
from equitraj.tuning import space

NOT_IN_FOLDERS = "{}<>*?\"'\\"  # wildcards, path variables and quotes of Snakemake and of the shell

SEVERAL_FRAMES = (
    "frame_averaging",
    "haar_averaging",
    "stochastic_frame_averaging",
    "weighted_frames",
)
ENVS = LIBRARY.parents[2] / "envs"


def check(config: dict) -> None:
    """Check a whole configuration.

    Raises:
        ValueError: the first thing found wrong: its key, its value, what is allowed and the nearest
        match.
    """
    schema.check(config)
    check_pathvars(config.get("pathvars", {}))
    check_mirror(config.get("mirror"))
    for name, source in config["sources"].items():
        check_source(name, source)
    for name in config["study"]["methods"]:
        one_of("study.methods", name, list(config["methods"]))
    for name in config["study"]["tasks"]:
        one_of("study.tasks", name, list(config["tasks"]))
    for name in config["study"].get("figures", []):
        one_of("study.figures", name, figures.names())
        if name.startswith("chapter_") and not config["study"].get("chapter"):
            raise ValueError(
                f"study.figures: {name!r} shows the chapters; it needs study.chapter: true"
            )
    for name, alignment in config["alignments"].items():
        check_alignment(name, alignment)
    for name, method in config["methods"].items():
        check_method(name, method, config["alignments"])
        check_against(name, method, config["methods"])
    for name, task in config["tasks"].items():
        check_task(name, task, config["sources"])
    check_published(config.get("published", {}), config["tasks"], config["methods"])
    for name, search in config.get("tune", {}).items():
        check_search(f"tune.{name}", search, config)
    fits.check_study(config)
    if config["study"].get("chapter") and "paths" not in config["sources"]:
        raise ValueError(
            "study.chapter: true needs the source 'paths', the chapters' trajectory; sources has none of that name"
        )


def one_of(key: str, value: str, allowed: list[str]) -> None:
    """Raise ValueError that names the key, the value and the nearest match unless `value` is among
    `allowed`."""
    if value not in allowed:
        raise ValueError(f"{key}: unknown name {value!r}; {nearest(value, allowed)}")


def check_published(published: dict[str, list[dict]], tasks: dict, methods: dict) -> None:
    """Check that published errors belong to tasks and methods, and that none stands twice."""
    for task, rows in published.items():
        one_of("published", task, list(tasks))
        seen = [(row["name"], row["source"]) for row in rows]
        for i, row in enumerate(rows):
            if "method" in row:
                one_of(f"published.{task}.{i}.method", row["method"], list(methods))
        for i, row in enumerate(seen):
            if row in seen[:i]:
                raise ValueError(
                    f"published.{task}.{i}.name: {row[0]!r} of the same source stands twice; expected one error of a "
                    "method and source; leave one of them out"
                )


def check_search(key: str, search: dict, config: dict) -> None:
    """Check that a search names a task and a method that fit each other, and draws what the method
    allows."""
    one_of(f"{key}.task", search["task"], list(config["tasks"]))
    one_of(f"{key}.method", search["method"], list(config["methods"]))
    method = config["methods"][search["method"]]
    spec = model_spec(method["model"])
    if spec.framework != "jax" or spec.closed_form:
        raise ValueError(
            f"{key}.method: {search['method']!r} is no network in JAX; expected one, which a search trains"
        )
    if not fits.is_applicable(config["tasks"][search["task"]], method["model"]):
        raise ValueError(
            f"{key}.method: {search['method']!r} needs {spec.minimum_history} frames, but {search['task']!r} has fewer"
        )
    for name, drawn in search["space"].items():
        if ("choices" in drawn) == ("low" in drawn or "high" in drawn) or ("low" in drawn) != (
            "high" in drawn
        ):
            raise ValueError(f"{key}.space.{name}: {drawn}; expected low and high, or choices")
    space.check(f"{key}.space", search["space"], method)


def check_pathvars(pathvars: dict) -> None:
    """Check that results, reports, logs and benchmarks are different folders below the working
    directory."""
    for key, folder in pathvars.items():
        place = PurePosixPath(folder)
        if place.is_absolute() or ".." in place.parts or not place.parts or folder.startswith("-"):
            raise ValueError(
                f"pathvars.{key}: {folder!r}; expected a folder below the working directory"
            )
        if set(folder) & set(NOT_IN_FOLDERS) or not folder.isprintable():
            raise ValueError(
                f"pathvars.{key}: {folder!r}; expected a name without line breaks and {NOT_IN_FOLDERS}"
            )
        for other in list(pathvars)[: list(pathvars).index(key)]:
            if PurePosixPath(pathvars[other]) == place:
                raise ValueError(
                    f"pathvars.{key}: {folder!r} is pathvars.{other} too; expected a folder of its own"
                )


def check_mirror(mirror: str | None) -> None:
    """Check that a mirror is a folder or an address; a folder need not exist, as the address of a
    source stands in."""
    if mirror and ":" in mirror and not Path(mirror).is_dir() and not entry.is_web(mirror):
        raise ValueError(
            f"mirror: {mirror!r}; expected a folder, or an address such as https://host/folder"
        )


def check_source(name: str, source: dict) -> None:
    """Check that a source has what its kind and its format need, and no key that they ignore."""
    try:
        entry.check(source)
    except ValueError as error:
        raise ValueError(f"sources.{name}.{error}") from error


def check_alignment(name: str, alignment: dict) -> None:
    """Check that an alignment's file and options exist, and that its name is not that of another
    file."""
    one_of(f"alignments.{name}.frames", alignment["frames"], names(ALIGNMENTS))
    if name in names(ALIGNMENTS) and name != alignment["frames"]:
        raise ValueError(
            f"alignments.{name}: this is the name of a file in alignments/; choose another name"
        )
    check_values(
        f"alignments.{name}.options",
        alignment.get("options", {}),
        alignment_options(alignment["frames"]),
    )


def check_method(name: str, method: dict, alignments: dict) -> None:
    """Check that a method's model, alignment and options exist."""
    one_of(f"methods.{name}.model", method["model"], names("models"))
    alignment = method.get("alignment", "none")
    one_of(f"methods.{name}.alignment", alignment, sorted({*alignments, *names(ALIGNMENTS)}))
    if (
        is_learned(resolved_alignment(alignment, alignments)["frames"])
        and model_spec(method["model"]).closed_form
    ):
        raise ValueError(
            f"methods.{name}.alignment: {alignment!r} is trained by gradients together with the model, but "
            f"{method['model']!r} is fitted in closed form; choose a network or another alignment"
        )
    for key in ("training", "augmentation"):
        if model_spec(method["model"]).closed_form and method.get(key, "none") not in ("none", {}):
            raise ValueError(
                f"methods.{name}.{key}: {method[key]!r} has no effect on {method['model']!r}, which is fitted in "
                "closed form; leave it out"
            )
    check_model(name, method)
    check_copies(name, method, alignments)
    check_values(
        f"methods.{name}.options",
        method.get("options", {}),
        model_spec(method["model"]).hyperparameters,
    )
    check_values(f"methods.{name}.training", method.get("training", {}), options(TrainingOptions))
    check_pushforward(name, method, alignments)


def check_against(name: str, method: dict, methods: dict) -> None:
    """Check that what a method is compared with is another method."""
    if (against := method.get("against")) is not None:
        one_of(f"methods.{name}.against", against, list(methods))
        if against == name:
            raise ValueError(
                f"methods.{name}.against: {against!r} is the method itself; name the one without its symmetry"
            )


def check_copies(name: str, method: dict, alignments: dict) -> None:
    """Check that a method that takes rotated copies has one frame for each sample."""
    frames = resolved_alignment(method.get("alignment", "none"), alignments)["frames"]
    if method.get("training", {}).get("copies", 0) and frames in SEVERAL_FRAMES:
        raise ValueError(
            f"methods.{name}.training.copies: {method['training']['copies']}; {frames!r} has several frames for each "
            "sample, and copies are for one; use augmentation: rotation"
        )


def check_pushforward(name: str, method: dict, alignments: dict) -> None:
    """Check that a method which is led on by its own predictions in training can be."""
    steps, spec = method.get("training", {}).get("pushforward", 0), model_spec(method["model"])
    frames = resolved_alignment(method.get("alignment", "none"), alignments)["frames"]
    reasons = {
        f"{method['model']!r} is trained by {spec.framework}, which has no such option; take a model in JAX": (
            spec.framework != "jax"
        ),
        f"{frames!r} turns each state anew; take alignment: centre_of_mass or none": (
            frames not in ("none", "centre_of_mass")
        ),
        "neighbour lists are those of the data; take all pairs of points": (
            isinstance(spec.all_pairs, str) and method.get("options", {}).get(spec.all_pairs, 0)
        ),
        "residual: none leaves it open where a step begins; take another residual": (
            method.get("training", {}).get("residual") == "none"
        ),
        "rotated copies have no later frames; take augmentation: rotation": method.get(
            "training", {}
        ).get("copies", 0),
    }
    for reason in (reason for reason, found in reasons.items() if steps and found):
        raise ValueError(f"methods.{name}.training.pushforward: {steps}, but {reason}")


def check_model(name: str, method: dict) -> None:
    """Check that what a model file and a method say fit each other, and that the files they name
    are there."""
    spec = model_spec(method["model"])
    if spec.environment is not None and not (ENVS / f"{spec.environment}.yaml").is_file():
        raise ValueError(
            f"methods.{name}.model: models/{method['model']}.py has ENVIRONMENT {spec.environment!r}, but there is no "
            f"envs/{spec.environment}.yaml; add that file"
        )
    if spec.predicts != "residual" and "residual" in method.get("training", {}):
        raise ValueError(
            f"methods.{name}.training.residual: {method['training']['residual']!r} has no effect on "
            f"{method['model']!r}, whose file says what it predicts ({spec.predicts}); leave it out"
        )
    if (given := method.get("pretrained")) and not Path(given["path"]).is_file():
        raise ValueError(
            f"methods.{name}.pretrained.path: no file {given['path']!r}; paths are relative to the working directory"
        )


def check_task(name: str, task: dict, sources: dict) -> None:
    """Check that a task's source exists and that its splits make sense; where its size is known,
    that they fit."""
    one_of(f"tasks.{name}.source", task["source"], list(sources))
    fits.check_split(name, task, sources[task["source"]])
