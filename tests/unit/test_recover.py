"""What `recover.py` calls and where it looks for what was left, from the arguments of the run that
was killed."""

from pathlib import Path

import pytest
import yaml
from snakemake.cli import parse_args

import recover

TARGET = "results/x.csv"
CALLS = [
    ["--cores", "2", "--configfile", "a.yaml", "--", TARGET],
    ["--cores", "all", TARGET],
    [TARGET, "--cores", "2"],
    ["--sdm", "conda", "--cores", "2", "--", TARGET],
    ["--cores", "2", "--configfile", "a.yaml", "b.yaml", "--config", "device=cpu", "--", TARGET],
    ["--rerun-incomplete", "--cores", "2", TARGET],
]


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
@pytest.mark.parametrize("option", ["--unlock", "--rerun-incomplete"])
def test_snakemake_takes_the_option_as_one_and_the_targets_stay(arguments, option):
    _, before = parse_args(arguments)
    _, after = parse_args(recover.snakemake(option, arguments)[3:])
    assert getattr(after, option[2:].replace("-", "_"))
    assert (
        after.targets == [TARGET]
        and after.cores == before.cores
        and after.configfile == before.configfile
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--cores", "2", "--configfile", "a.yaml", "--", TARGET],
        ["--configfile=a.yaml"],
        ["--configfile", "b.yaml", "--config", "device=cpu", "pathvars={results: made}"],
    ],
    ids=" ".join,
)
def test_what_was_left_is_looked_for_where_the_run_wrote(tmp_path, arguments):
    (tmp_path / "config.yaml").write_text("pathvars: { results: results, reports: pages }")
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"pathvars": {"results": "made"}}))
    (tmp_path / "b.yaml").write_text("")
    assert recover.written_folders(tmp_path, arguments) == [tmp_path / "made", tmp_path / "pages"]


def test_without_a_configuration_it_is_looked_for_in_results_and_reports():
    assert recover.written_folders(Path("here"), []) == [Path("here/results"), Path("here/reports")]
