"""Read the progress of a study from Snakemake's log, and estimate when it will end.

The estimate takes for each rule the mean time of its ended jobs; as a fallback that of its verb
(`train` for `train_jax`), in this run or in the benchmarks of an earlier one; else the mean of all
known jobs. It assumes that as many jobs run at a time as on average so far. It cannot foresee a
training that takes ten times as long as the others.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

TIME = re.compile(r"\[(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})\]")
COUNT = re.compile(r"(\w+) +(\d+)$")
BEGUN = re.compile(r" *Job (\d+): (.*)")  # a rule with a message
# A rule without a message, or an error: the number of the job comes in a later line.
RULE = re.compile(r" *(?:local)?(?:rule|checkpoint) (\w+):$")
FAILED = re.compile(r" *Error in rule (\w+):$")
NUMBER = re.compile(r" +jobid: (\d+)$")
FINISHED = re.compile(r"Finished jobid: (\d+) \(Rule: (\w+)\)")
ENDED = ("Complete log(s):", "Exiting because", "Nothing to be done")


@dataclass
class Progress:
    """The progress of a run.

    Attributes:
        planned: number of jobs by rule.
        seconds: durations of the ended jobs by rule.
        running: start and message by job.
        failed: rule by failed job.
        begun: start of the first job.
        ended: whether the run has ended.
    """

    planned: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    running: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    begun: datetime | None = None
    ended: bool = False

    @property
    def done(self) -> int:
        """Number of jobs that ended well."""
        return sum(map(len, self.seconds.values()))

    @property
    def left(self) -> int:
        """Number of jobs that have not begun."""
        begun = self.done + len(self.running) + len(self.failed)
        return sum(self.planned.values()) - begun

    def expected_end(self, earlier: dict[str, list[float]], now: datetime) -> datetime | None:
        """Estimate the end of the last job; None if no duration is known yet.

        `earlier` holds the durations of an earlier run by verb.
        """
        if self.begun is None or not (self.done or earlier):
            return None
        spent = sum((now - begun).total_seconds() for begun, _ in self.running.values())
        ended = sum(sum(seconds) for seconds in self.seconds.values())
        wall = max((now - self.begun).total_seconds(), 1.0)
        work = 0.0
        for rule, count in self.planned.items():
            if rule not in self.failed.values():
                unfinished = count - len(self.seconds.get(rule, []))
                work += unfinished * self._duration(rule, earlier)
        at_a_time = max((ended + spent) / wall, 1.0)
        remaining = max(work - spent, 0)
        return now + timedelta(seconds=remaining / at_a_time)

    def _duration(self, rule: str, earlier: dict[str, list[float]]) -> float:
        verb = rule.split("_")[0]
        same_verb: list[float] = []
        everything: list[float] = []
        for name, seconds in self.seconds.items():
            everything += seconds
            if name.split("_")[0] == verb:
                same_verb += seconds
        before: list[float] = []
        for name, seconds in earlier.items():
            everything += seconds
            if name.startswith(verb) and not before:
                before = seconds
        known = self.seconds.get(rule) or same_verb or before or everything
        return sum(known) / len(known)


def parse(lines: Iterable[str]) -> Progress:
    """Read a log of Snakemake."""
    found, now, rule, failing, counting = Progress(), datetime.min, "", False, False
    for line in lines:
        if match := TIME.match(line):
            now = datetime.strptime(match[1], "%a %b %d %H:%M:%S %Y")
        if line.startswith("Job stats:"):
            counting = True
        elif counting and (match := COUNT.match(line)):
            counting = match[1] != "total"
            found.planned |= {match[1]: int(match[2])} if counting else {}
        elif match := BEGUN.match(line):
            _begin(found, match[1], match[2], now)
        elif match := RULE.match(line) or FAILED.match(line):
            rule, failing = match[1], bool(FAILED.match(line))
        elif rule and (match := NUMBER.match(line)):
            if failing:
                found.running.pop(match[1], None)
                found.failed[match[1]] = rule
            else:
                _begin(found, match[1], rule, now)
            rule = ""
        elif match := FINISHED.match(line):
            begun, _ = found.running.pop(match[1], (now, ""))
            found.seconds.setdefault(match[2], []).append((now - begun).total_seconds())
        found.ended |= line.startswith(ENDED)
    return found


def _begin(found: Progress, job: str, words: str, now: datetime) -> None:
    found.begun = found.begun or now
    found.failed.pop(job, None)  # it is tried again
    found.running[job] = now, words


def log_of(folder: Path) -> Path:
    """The log of the newest run in `folder` that had jobs.

    Raises:
        ValueError: there is none.
    """
    for path in sorted((folder / ".snakemake" / "log").glob("*.snakemake.log"), reverse=True):
        if "Job stats:" in path.read_text(encoding="utf-8", errors="replace"):
            return path
    raise ValueError(f"{folder}: no log of a run; expected the folder in which snakemake runs")


def benchmarks(folder: Path) -> dict[str, list[float]]:
    """Verb to the seconds of its jobs, from the benchmarks in `folder` (results/benchmarks)."""
    found: dict[str, list[float]] = {}
    for path in sorted(folder.glob("**/*.tsv")):
        verb = path.relative_to(folder).parts[0].removesuffix(".tsv").split("_")[0]
        with path.open(encoding="utf-8") as file:
            found.setdefault(verb, []).extend(
                float(row["s"]) for row in csv.DictReader(file, delimiter="\t")
            )
    return {verb: seconds for verb, seconds in found.items() if seconds}


def told(found: Progress, earlier: dict[str, list[float]], now: datetime) -> str:
    """Return the report: numbers of jobs, unfinished rules, running jobs and the expected end."""
    total, failed = sum(found.planned.values()), len(found.failed)
    lines = [
        f"{total} jobs: {found.done} done, {len(found.running)} running, {found.left} left"
        + (f", {failed} failed ({', '.join(sorted(set(found.failed.values())))})" if failed else "")
    ]
    for rule, count in found.planned.items():
        if (done := len(found.seconds.get(rule, []))) < count:
            lines.append(f"  {rule:<32}{done:>4} of {count}")
    for begun, words in found.running.values():
        lines.append(f"  running {_span(now - begun)}: {words}")
    end = found.expected_end(earlier, now)
    if found.ended:
        lines.append("the run has ended")
    elif end is None:
        lines.append("expected end: not known before the first job is done")
    else:
        lines.append(f"expected end: {end:%Y-%m-%d %H:%M}, in {_span(end - now)}")
    return "\n".join(lines)


def _span(length: timedelta) -> str:
    return str(timedelta(seconds=round(max(length.total_seconds(), 0))))
