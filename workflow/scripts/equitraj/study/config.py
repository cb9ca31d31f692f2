"""Check the configuration when the workflow is parsed.

An error names the wrong key, the allowed values and the nearest match.
"""

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
        ValueError: the first error: key, value, what is allowed and the nearest match.
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
            "study.chapter: true needs the source 'paths', the chapters' trajectory; sources has "
            "none of that name"
        )


def one_of(key: str, value: str, allowed: list[str]) -> None:
    """Check that a value is among those allowed.

    Raises:
        ValueError: it is not; the message names the key, the value and the nearest match.
    """
    if value not in allowed:
        raise ValueError(f"{key}: unknown name {value!r}; {nearest(value, allowed)}")


def check_published(published: dict[str, list[dict]], tasks: dict, methods: dict) -> None:
    """Check that published errors belong to tasks and methods, and that none is given twice."""
    for task, rows in published.items():
        one_of("published", task, list(tasks))
        seen = set()
        for i, row in enumerate(rows):
            key = f"published.{task}.{i}"
            if "method" in row:
                one_of(f"{key}.method", row["method"], list(methods))
            published_error = row["name"], row["source"]
            if published_error in seen:
                raise ValueError(
                    f"{key}.name: {row['name']!r} of the same source stands twice; expected one "
                    "error of a method and source; leave one of them out"
                )
            seen.add(published_error)


def check_search(key: str, search: dict, config: dict) -> None:
    """Check a search: its method applies to its task, and its space to the method's options."""
    one_of(f"{key}.task", search["task"], list(config["tasks"]))
    one_of(f"{key}.method", search["method"], list(config["methods"]))
    method = config["methods"][search["method"]]
    spec = model_spec(method["model"])
    if spec.framework != "jax" or spec.closed_form:
        raise ValueError(
            f"{key}.method: {search['method']!r} is no network in JAX; expected one, which a "
            "search trains"
        )
    if not fits.is_applicable(config["tasks"][search["task"]], method["model"]):
        raise ValueError(
            f"{key}.method: {search['method']!r} needs {spec.minimum_history} frames, but "
            f"{search['task']!r} has fewer"
        )
    for name, drawn in search["space"].items():
        has_choices, has_low, has_high = (word in drawn for word in ("choices", "low", "high"))
        if has_low != has_high or has_choices == has_low:
            raise ValueError(f"{key}.space.{name}: {drawn}; expected low and high, or choices")
    space.check(f"{key}.space", search["space"], method)


def check_pathvars(pathvars: dict) -> None:
    """Check that `pathvars` are different folders below the working directory."""
    used: dict[PurePosixPath, str] = {}
    for key, folder in pathvars.items():
        place = PurePosixPath(folder)
        if place.is_absolute() or ".." in place.parts or not place.parts or folder.startswith("-"):
            raise ValueError(
                f"pathvars.{key}: {folder!r}; expected a folder below the working directory"
            )
        if set(folder) & set(NOT_IN_FOLDERS) or not folder.isprintable():
            raise ValueError(
                f"pathvars.{key}: {folder!r}; expected a name without line breaks and "
                f"{NOT_IN_FOLDERS}"
            )
        if place in used:
            raise ValueError(
                f"pathvars.{key}: {folder!r} is pathvars.{used[place]} too; expected a folder of "
                "its own"
            )
        used[place] = key


def check_mirror(mirror: str | None) -> None:
    """Check that a mirror is a folder or an address.

    The folder need not exist, because a source's own address is the fallback.
    """
    if not mirror or ":" not in mirror:
        return
    if not Path(mirror).is_dir() and not entry.is_web(mirror):
        raise ValueError(
            f"mirror: {mirror!r}; expected a folder, or an address such as https://host/folder"
        )


def check_source(name: str, source: dict) -> None:
    """Check that a source has the keys that its kind and format need, and no key they ignore."""
    try:
        entry.check(source)
    except ValueError as error:
        raise ValueError(f"sources.{name}.{error}") from error


def check_alignment(name: str, alignment: dict) -> None:
    """Check an alignment: file and options exist, and its name does not belong to another file."""
    file, known = alignment["frames"], names(ALIGNMENTS)
    one_of(f"alignments.{name}.frames", file, known)
    if name in known and name != file:
        raise ValueError(
            f"alignments.{name}: this is the name of a file in alignments/; choose another name"
        )
    given = alignment.get("options", {})
    check_values(f"alignments.{name}.options", given, alignment_options(file))


def check_method(name: str, method: dict, alignments: dict) -> None:
    """Check that the model, alignment and options of a method exist and fit each other."""
    model, alignment = method["model"], method.get("alignment", "none")
    one_of(f"methods.{name}.model", model, names("models"))
    one_of(f"methods.{name}.alignment", alignment, sorted({*alignments, *names(ALIGNMENTS)}))
    spec = model_spec(model)
    if spec.closed_form:
        check_closed_form(name, method, alignments)
    check_model(name, method)
    check_copies(name, method, alignments)
    check_values(f"methods.{name}.options", method.get("options", {}), spec.hyperparameters)
    check_values(f"methods.{name}.training", method.get("training", {}), options(TrainingOptions))
    check_pushforward(name, method, alignments)


def check_closed_form(name: str, method: dict, alignments: dict) -> None:
    """Check that a method without training by gradients asks for none."""
    model, alignment = method["model"], method.get("alignment", "none")
    if is_learned(resolved_alignment(alignment, alignments)["frames"]):
        raise ValueError(
            f"methods.{name}.alignment: {alignment!r} is trained by gradients together with the "
            f"model, but {model!r} is fitted in closed form; choose a network or another alignment"
        )
    for key in ("training", "augmentation"):
        if method.get(key, "none") not in ("none", {}):
            raise ValueError(
                f"methods.{name}.{key}: {method[key]!r} has no effect on {model!r}, "
                "which is fitted in closed form; leave it out"
            )


def check_against(name: str, method: dict, methods: dict) -> None:
    """Check that a method is compared with another method."""
    against = method.get("against")
    if against is None:
        return
    one_of(f"methods.{name}.against", against, list(methods))
    if against == name:
        raise ValueError(
            f"methods.{name}.against: {against!r} is the method itself; name the one without "
            "its symmetry"
        )


def check_copies(name: str, method: dict, alignments: dict) -> None:
    """Check that a method with rotated copies has one reference frame for each sample."""
    frames = resolved_alignment(method.get("alignment", "none"), alignments)["frames"]
    copies = method.get("training", {}).get("copies", 0)
    if copies and frames in SEVERAL_FRAMES:
        raise ValueError(
            f"methods.{name}.training.copies: {copies}; {frames!r} has several frames for each "
            "sample, and copies are for one; use augmentation: rotation"
        )


def check_pushforward(name: str, method: dict, alignments: dict) -> None:
    """Check that a method can be trained on its own predictions, if it asks for that."""
    training = method.get("training", {})
    steps = training.get("pushforward", 0)
    if not steps:
        return
    spec = model_spec(method["model"])
    frames = resolved_alignment(method.get("alignment", "none"), alignments)["frames"]
    has_cutoff = isinstance(spec.all_pairs, str) and method.get("options", {}).get(spec.all_pairs)
    reason = ""
    if spec.framework != "jax":
        loop = f"{method['model']!r} is trained by {spec.framework}"
        reason = f"{loop}, which has no such option; take a model in JAX"
    elif frames not in ("none", "centre_of_mass"):
        reason = f"{frames!r} turns each state anew; take alignment: centre_of_mass or none"
    elif has_cutoff:
        reason = "neighbour lists are those of the data; take all pairs of points"
    elif training.get("residual") == "none":
        reason = "residual: none leaves it open where a step begins; take another residual"
    elif training.get("copies", 0):
        reason = "rotated copies have no later frames; take augmentation: rotation"
    if reason:
        raise ValueError(f"methods.{name}.training.pushforward: {steps}, but {reason}")


def check_model(name: str, method: dict) -> None:
    """Check that a method agrees with its model file, and that the files they name exist."""
    spec = model_spec(method["model"])
    if spec.environment is not None and not (ENVS / f"{spec.environment}.yaml").is_file():
        raise ValueError(
            f"methods.{name}.model: models/{method['model']}.py has ENVIRONMENT "
            f"{spec.environment!r}, but there is no envs/{spec.environment}.yaml; add that file"
        )
    if spec.predicts != "residual" and "residual" in method.get("training", {}):
        raise ValueError(
            f"methods.{name}.training.residual: {method['training']['residual']!r} has no effect "
            f"on {method['model']!r}, whose file says what it predicts ({spec.predicts}); leave it "
            "out"
        )
    pretrained = method.get("pretrained")
    if pretrained and not Path(pretrained["path"]).is_file():
        raise ValueError(
            f"methods.{name}.pretrained.path: no file {pretrained['path']!r}; paths are relative "
            "to the working directory"
        )


def check_task(name: str, task: dict, sources: dict) -> None:
    """Check that the source of a task exists and that its splits fit the source's known size."""
    source = task["source"]
    one_of(f"tasks.{name}.source", source, list(sources))
    fits.check_split(name, task, sources[source])
