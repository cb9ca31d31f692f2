"""Wrong configurations are refused when the workflow is parsed, each with its key, its value and
what is expected."""

import copy
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from wrong_configurations import AT_PARSING, BASE, IN_THE_FIRST_JOB

from equitraj.base import registry
from equitraj.base.allowed import Indices, Option, Pattern, Range, options
from equitraj.data.sources import simulation
from equitraj.data.tasks import split_frames
from equitraj.data.trajectory import Trajectory, write
from equitraj.frames.run import run as align
from equitraj.study import config, fits, schema
from study import REPOSITORY, TINY, merged

CASES = [(key, *case) for key, cases in AT_PARSING.items() for case in cases]
TEXTS = {
    "key: 1\nother: 2\nkey: 3\n": "line 3: the key 'key' stands here twice",
    "a:\n  b: {c: 1, c: 2}\n": "line 2: the key 'c' stands here twice",
    "a:\n\tb: 1\n": "line 2, column 1: found character",
    "a: [1, 2\n": "line 2, column 1: did not find expected ',' or ']'",
    "a: &all {b: *all}\n": "line 1: an anchor (&name) contains its own alias (*name)",
    "a: *missing\n": "line 1, column 4: found undefined alias",
    "a: \x00": "expected a file of YAML",
}


@pytest.fixture(scope="module")
def right():
    """The tiny study with an entry for each thing that has options."""
    return merged(
        *(yaml.safe_load(path.read_text()) for path in (REPOSITORY / "config.yaml", TINY)), BASE
    )


@pytest.fixture(autouse=True)
def in_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)  # paths of files are relative to it


def with_value(configuration: dict, key: str | tuple, value: object) -> dict:
    """A copy of a configuration with one value replaced, at `a.b.c` or at a path of keys that need
    not be text."""
    changed = copy.deepcopy(configuration)
    *above, last = key if isinstance(key, tuple) else key.split(".")
    part = changed
    for name in above:
        part = part.setdefault(name, {})
    part[last] = value
    return changed


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]!r}"[:60])
def test_a_wrong_value_is_refused_by_its_key(right, case):
    key, value, *said = case
    start, said = said if len(said) == 2 else (key, said[0])
    with pytest.raises(ValueError) as refused:
        config.check(with_value(right, key, value))
    message = str(refused.value)
    assert message.startswith(start) and said in message and "\n" not in message, message


def test_the_list_is_as_long_as_it_says():
    assert len(CASES) >= 230


@pytest.mark.parametrize("text", TEXTS)
def test_a_wrong_file_is_refused_by_its_line(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as refused:
        schema.check_text(str(path))
    assert str(refused.value).startswith(str(path)) and TEXTS[text] in str(refused.value), (
        refused.value
    )


@pytest.mark.parametrize(
    "study", [None, TINY, *sorted((REPOSITORY / "studies").glob("*.yaml"))], ids=str
)
def test_what_is_here_is_allowed(study):
    files = [path for path in (REPOSITORY / "config.yaml", study) if path]
    for path in files:
        schema.check_text(str(path))
    config.check(merged(*(yaml.safe_load(path.read_text()) for path in files)))


def test_the_base_of_the_wrong_ones_is_right(right):
    config.check(right)


@pytest.fixture(scope="module")
def four_points(tmp_path_factory):
    """A trajectory of four points over 100 frames, of which nothing is known before it is read."""
    path = tmp_path_factory.mktemp("four") / "lifted.h5"
    position = np.cumsum(np.random.default_rng(0).normal(size=(100, 4, 3)), axis=0)
    write(path, Trajectory(position, np.zeros(100, int), np.arange(100.0)))
    return path


@pytest.mark.parametrize("case", IN_THE_FIRST_JOB)
def test_what_the_data_tell_is_refused_in_the_first_job(four_points, tmp_path, case):
    alignment, change, said = IN_THE_FIRST_JOB[case]
    task = {
        "name": "t",
        "history": 1,
        "lag": 1,
        "split": {"train": 60, "validation": 19, "test": 20},
    } | change
    with pytest.raises(ValueError) as refused:
        align(four_points, task, "a", alignment, tmp_path / "aligned.h5")
    assert said in str(refused.value) and not (tmp_path / "aligned.h5").exists()


@given(
    frames=st.integers(5, 60),
    history=st.integers(1, 6),
    lag=st.integers(1, 6),
    sizes=st.lists(st.integers(1, 20), min_size=3, max_size=3)
    | st.lists(st.floats(0.05, 0.5), min_size=3, max_size=3),
)
def test_a_split_is_refused_at_parsing_where_and_only_where_its_job_refuses_it(
    frames, history, lag, sizes
):
    split = dict(zip(("train", "validation", "test"), sizes, strict=True))
    task = {"source": "s", "history": history, "lag": lag, "split": split}

    def refuses(check, *arguments) -> bool:
        try:
            check(*arguments)
        except ValueError:
            return True
        return False

    early = refuses(fits.check_split, "t", task, {"kind": "simulate", "frames": frames})
    assert early == refuses(split_frames, np.zeros(frames, int), history, lag, split)
    if not early:
        known = fits.known_samples(task, {"kind": "simulate", "frames": frames})
        assert known == {
            k: len(v) for k, v in split_frames(np.zeros(frames, int), history, lag, split).items()
        }


def test_an_alignment_on_fewer_points_than_it_needs_is_refused(four_points, tmp_path):
    from equitraj.data.trajectory import read

    one = read(four_points)
    write(tmp_path / "one.h5", replace(one, position=one.position[:, :1]))
    task = {
        "name": "t",
        "history": 1,
        "lag": 1,
        "split": {"train": 60, "validation": 19, "test": 20},
    }
    with pytest.raises(ValueError, match="alignment vector01: needs 2 points, but the data have 1"):
        align(
            tmp_path / "one.h5",
            task,
            "a",
            {"frames": "vector01", "options": {}},
            tmp_path / "aligned.h5",
        )


KINDS = {"model": "models", "alignment": registry.ALIGNMENTS, "system": simulation.SYSTEMS}
OPTIONS = [
    ("training", ""),
    *((kind, name) for kind, folder in KINDS.items() for name in registry.names(folder)),
]


def options_class(kind: str, name: str) -> type:
    """The dataclass of options of a model, an alignment, a system or the training."""
    if kind == "training":
        return import_module("equitraj.training.options").TrainingOptions
    module = import_module(f"equitraj.{KINDS[kind].replace('/', '.')}.{name}")
    return getattr(
        module, {"model": "Hyperparameters", "alignment": "Alignment", "system": "Options"}[kind]
    )


def edges(option: Option) -> tuple[list, list]:
    """Values at the edges of a range that are allowed, and that are not."""
    allowed, kind = option.allowed, type(option.default)
    step = 1 if kind is int else 1e-9
    inside = [bound for bound in (allowed.least, allowed.most) if bound is not None]
    outside = [kind(bound) for bound in (allowed.above, allowed.below) if bound is not None]
    outside += [allowed.least - step] if allowed.least is not None else []
    outside += [allowed.most + step] if allowed.most is not None else []
    return [kind(value) for value in inside], [
        *outside,
        True,
        "1",
        None,
        float("nan"),
        float("inf"),
    ]


@pytest.mark.parametrize(("kind", "name"), OPTIONS)
def test_a_range_holds_in_the_configuration_and_in_python_alike(kind, name):
    cls = options_class(kind, name)
    for key, option in options(cls).items():
        if isinstance(option.allowed, Range):
            right, wrong = edges(option)
            for value in [option.default, *right]:
                option.check(key, value)
                cls(**{key: value})
            for value in wrong:
                with pytest.raises(ValueError, match=f"^{key}: .*expected"):
                    option.check(key, value)
                with pytest.raises(ValueError, match=f": {key}: .*expected"):
                    cls(**{key: value})


def test_every_number_among_the_options_has_a_range():
    free = [
        f"{name}.{key}"
        for kind, name in OPTIONS
        for key, option in options(options_class(kind, name)).items()
        if type(option.default) in (int, float, str, tuple) and option.allowed is None
    ]
    assert not free


@pytest.mark.parametrize(
    ("text", "e3nn_reads"),
    [("1e", True), ("2x0e+3x1o", True), (" 4x0e + 1x2y ", True), ("x0e", False), ("e", False)],
)
def test_the_pattern_of_irreps_agrees_with_e3nn(text, e3nn_reads):
    from e3nn import o3

    pattern = registry.model_spec("e3nn_network").hyperparameters["irreps_hidden"].allowed
    assert isinstance(pattern, Pattern) and pattern.allows(text) == e3nn_reads
    if e3nn_reads:
        assert o3.Irreps(text).dim
    else:
        with pytest.raises(ValueError):
            o3.Irreps(text)


def test_a_plain_default_of_a_user_s_own_model_needs_no_range(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "class Hyperparameters:\n    width: int = 3\n    way: Literal['a', 'b'] = 'a'\n    rate: "
        "float = 0.1\n"
    )
    fields = registry.dataclass_fields(path, "Hyperparameters")
    registry.check_values("methods.m.options", {"width": -5, "way": "b", "rate": 3}, fields)
    for value, said in (
        ({"width": 2.0}, "width: 2.0; expected int"),
        ({"way": "c"}, "way: unknown value 'c'"),
    ):
        with pytest.raises(ValueError, match=f"methods.m.options.{said}"):
            registry.check_values("methods.m.options", value, fields)


def test_indices_are_different_whole_numbers():
    assert Indices(2, 3).allows([0, 5]) and not Indices(2, 3).allows([0, 1, 2, 3])
