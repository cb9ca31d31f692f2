"""Damaged files, two runs at a time, a full disk, a folder that cannot be written to: said in a
line, and mended."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from study import assert_same_results, checkout, command, environment, snakemake

RUNS = "results/runs/tiny_k3"
TABLE = "results/tables/metrics.csv"
FIGURE = "results/figures/alignment_diagnostics.svg"


def flipped(content: bytes) -> bytes:
    """One bit of the byte in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


# read by the training of one method, by evaluation, by collection, by a figure
DAMAGED = {
    f"{RUNS}/tiny_mlp/nall/seed1/model.safetensors": (flipped, "other content than was written"),
    f"{RUNS}/persistence/nall/seed0/run.json": (lambda content: b"", "empty"),
    "results/tables/alignment.csv": (lambda content: content[:200], "200 bytes, "),
}
LATER = {f"{RUNS}/tiny_egnn/nall/seed0/rollout.csv": (lambda content: content[:30], "30 bytes, ")}


def damage(folder: Path, files: dict) -> None:
    for name, (harm, _) in files.items():
        (folder / name).write_bytes(harm((folder / name).read_bytes()))


def mends(text: str) -> dict[str, str]:
    """File to the command that an error prints for it."""
    found = re.findall(
        r"error: (\S+): [^\n]+ Make it again, then run the study again: (snakemake [^\n]+)", text
    )
    return dict(found)


def shell(folder: Path, line: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        line, shell=True, cwd=folder, env=environment(), capture_output=True, text=True
    )


def verify(folder: Path) -> subprocess.CompletedProcess:
    return shell(folder, f"{sys.executable} workflow/scripts/verify.py")


@pytest.fixture()
def study(tiny, tmp_path) -> Path:
    """A copy of the tiny study after its run."""
    folder = checkout(tmp_path / "study")
    for part in ("results", "reports", ".snakemake"):
        shutil.copytree(
            tiny / part, folder / part, ignore=shutil.ignore_patterns("locks", "incomplete", "log")
        )
    return folder


def test_damage_is_named_and_the_commands_printed_mend_it(study, tiny):
    assert verify(study).stdout.endswith("files are as they were written.\n"), verify(study).stdout
    damage(study, DAMAGED | LATER)
    failed = snakemake(study, TABLE, FIGURE)
    printed = mends(failed.stdout)
    assert failed.returncode == 1 and printed.keys() == DAMAGED.keys(), failed.stdout[-5000:]
    for name, (_, what) in DAMAGED.items():
        assert f"error: {name}: {what}" in failed.stdout
    listed = verify(study)
    assert listed.returncode == 1 and all(name in listed.stdout for name in DAMAGED | LATER)
    one = f"{RUNS}/persistence/nall/seed0/run.json"
    assert printed[one].endswith(f" --force {one}")
    assert shell(study, printed[one]).returncode == 0
    (rest,) = re.findall(r"^  (snakemake .+)$", verify(study).stdout, re.M)
    assert one not in rest and all(name in rest for name in (DAMAGED | LATER).keys() - {one})
    mended = shell(study, rest)
    assert mended.returncode == 0, mended.stderr[-3000:]
    assert_second_run_is_refused_while_the_first_goes_on(study, TABLE, FIGURE)
    assert verify(study).returncode == 0, verify(study).stdout
    assert_same_results(study, tiny)


def assert_second_run_is_refused_while_the_first_goes_on(folder: Path, *targets: str) -> None:
    call = [*command(*targets), "--cores", "2"]
    with (folder / "first.log").open("w") as log:
        first = subprocess.Popen(call, cwd=folder, env=environment(), stdout=log, stderr=log)
    locks = folder / ".snakemake/locks"
    while not (locks.is_dir() and any(locks.iterdir())):
        assert first.poll() is None, (folder / "first.log").read_text()
        time.sleep(0.05)
    second = snakemake(folder, *targets)
    # it sees the lock, or a file that the first takes away while it looks
    refusals = ("Directory cannot be locked", "a concurrent process has deleted it")
    assert second.returncode == 1 and any(
        words in " ".join(second.stdout.split()) for words in refusals
    )
    assert first.wait() == 0, (folder / "first.log").read_text()[-3000:]


def test_damage_that_the_next_step_reads_is_named_there(study):
    damage(study, LATER)
    failed = snakemake(study, TABLE)
    assert failed.returncode == 1 and mends(failed.stdout).keys() == LATER.keys(), failed.stdout[
        -3000:
    ]
    assert not (study / TABLE).exists()


@pytest.fixture()
def small_disk(fresh):
    """A checkout whose results/data is a file system of 16 KB."""
    folder = fresh / "results/data"
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder], capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def test_a_full_disk_and_a_read_only_folder_are_one_line_and_the_rerun_goes_on(fresh, small_disk):
    raw, lifted = (f"results/data/tiny/{name}.h5" for name in ("raw", "lifted"))
    full = snakemake(fresh, lifted)
    log = (fresh / "results/logs/simulate/tiny.log").read_text().splitlines()
    message = f"error: {raw}: not written, {os.strerror(28)}; make room, then run the study again"
    assert (
        full.returncode == 1 and log[1:] == ["# ended: error", message] and message in full.stdout
    )
    assert not [path for path in small_disk.rglob("*") if path.is_file()]
    remount(small_disk, "size=10m")
    assert snakemake(fresh, raw).returncode == 0
    remount(small_disk, "ro")
    closed = snakemake(fresh, lifted)
    assert (
        closed.returncode == 1
        and "results/data: cannot be written to; make it writable" in closed.stdout
    )
    assert "Traceback" not in closed.stdout
    remount(small_disk, "rw")
    assert snakemake(fresh, lifted).returncode == 0
    assert verify(fresh).returncode == 1 and "no such folder: reports" in verify(fresh).stderr
