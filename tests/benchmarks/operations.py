"""Where the time of a compiled epoch goes, by groups of operations, and how many operations a frame
takes."""

import glob
import gzip
import json
import re
import tempfile
from collections import Counter

import jax
import jax.numpy as jnp

from equitraj.training.jax_samples import loss

MATRIX, COPIES, ELEMENTWISE, OPTIMISER = (
    "matrix products",
    "gather and copies",
    "elementwise and sums",
    "optimiser",
)
CONTAINERS = ("while", "call", "conditional")
MOVES = re.compile(
    r"gather|slice|copy|transpose|concatenate|pad|scatter|broadcast|bitcast|iota|reverse|select"
)


def flops_per_frame(epochs) -> float:
    """Floating-point operations of a training step per frame, as XLA counts those of loss and
    gradient."""
    size = min(epochs.options.batch_size, len(epochs.data.train))
    batch = jax.tree.map(lambda a: a[:size], epochs.samples[0])
    step = jax.value_and_grad(
        lambda weights: loss(epochs.rebuild(weights, epochs.constants), batch, 0.0)
    )
    return jax.jit(step).lower(epochs.state[0]).cost_analysis()["flops"] / size


def group_of(name: str, definition: str, n_weights: int) -> str:
    """The group of an operation, from its name and its line in the compiled program."""
    if (
        f"[{n_weights}]" in definition.split(" = ")[-1].split("{")[0]
        or f"[{n_weights}]" in definition[:200]
    ):
        return OPTIMISER
    if name.startswith(("dot", "custom-call", "__onednn", "ynn")) or " dot(" in definition:
        return MATRIX
    kinds = re.sub(r"[._]?(fusion|wrapped|clone|\d+)", " ", name).replace("_", " ").split()
    return COPIES if kinds and all(MOVES.search(kind) for kind in kinds) else ELEMENTWISE


def profile(epochs) -> dict[str, tuple[float, float]]:
    """Microseconds per frame and percent of each group in one epoch, from JAX's own profiler."""
    lines = epochs.epoch.as_text().splitlines()
    defined = {
        m[1]: line for line in lines if (m := re.match(r"\s*(?:ROOT )?%?([\w.\-]+) = ", line))
    }
    with tempfile.TemporaryDirectory() as folder:
        jax.profiler.start_trace(folder)
        n_frames = epochs()
        jax.profiler.stop_trace()
        with gzip.open(glob.glob(f"{folder}/**/*.trace.json.gz", recursive=True)[0]) as trace:
            events = json.load(trace)["traceEvents"]
    spent: Counter = Counter()
    for event in events:
        operation = event.get("args", {}).get("hlo_op") if event.get("ph") == "X" else None
        if operation and not operation.startswith(CONTAINERS):
            spent[group_of(operation, defined.get(operation, ""), jnp.size(epochs.state[0]))] += (
                event["dur"]
            )
    total = sum(spent.values())
    return {group: (time / n_frames, 100 * time / total) for group, time in spent.most_common()}
