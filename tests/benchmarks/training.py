"""Speed of training on one thread: the workflow's networks beside the chapter's loop and other
references.

python tests/benchmarks/training.py    (about 10 minutes; --quick: the main figures in 3)

All competitors are built and warmed up; then each trains a block of frames, one after the other,
round after round, so that whatever else the machine does falls on all of them. Prints one JSON
object per line: `what`, `value` (the median over rounds of frames per second of processor time),
`low` and `high` (its range), `ratio` (the median of the rounds' ratios to the chapter's loop),
`unit`; a competitor that cannot run is a line with an `error`.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

# one thread for everybody; read when the packages are imported
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "NPROC": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}
# another run finds what this one compiled: rates do not change, waiting does
os.environ.setdefault(
    "EQUITRAJ_COMPILED", str(Path(__file__).parents[2] / ".pytest_cache/benchmarks")
)
sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/scripts"))

import chain
import competitors as of
import jax
import numpy as np
import operations
import torch

torch.set_num_threads(1)
SECONDS = 0.5  # of processor time that a block takes at least; short epochs are repeated
RATE, LIMIT, SIDE = "frames/s", "GFLOP/s", 1024
REFERENCES = {
    "chapter": 48,
    "graphs": 256,
    "e3nn_jax": 512,
    "e3nn_torch": 512,
}  # and the frames of a block
QUICK = (
    "chapter",
    "matrix",
    "e3nn_k1_b16",
    "e3nn_k3_b16",
    "graphs",
    "e3nn_torch",
    "egnn_k1",
    "egnn_before_k1",
)
NAMES = {
    "chapter": "the chapter's loop",
    "graphs": "plain loop of torch-geometric, batches of 64",
    "e3nn_jax": "e3nn-jax as is, compiled, batches of 16",
    "e3nn_torch": "`e3nn_network` (torch), batches of 64",
    **{
        f"e3nn_k{k}_b{b}": f"`gate_points`, K = {k}, batches of {b}"
        for k in (1, 3)
        for b in (16, 32)
    },
    **{f"egnn_before_k{k}": f"EGNN sample by sample, K = {k}" for k in (1, 3)},
    **{f"egnn_k{k}": f"`egnn`, width 32, K = {k}, batches of 64" for k in (1, 3)},
    "matrix": f"matrix product {SIDE} x {SIDE}, float32",
}


def built(name: str, position: np.ndarray, n_frames: int, folder: Path) -> Callable[[], int]:
    """The block of a competitor."""
    loops = {"chapter": of.chapter_loop, "graphs": of.graph_loop, "e3nn_jax": of.e3nn_jax_loop}
    if name in loops:
        return loops[name](position, min(n_frames, REFERENCES[name]))
    if name == "e3nn_torch":
        return of.torch_loop_epochs(
            of.e3nn(64, "e3nn_network"), folder, position, min(n_frames, REFERENCES[name])
        )
    history = int(name.split("_k")[1][0])
    if name.startswith("egnn_before"):
        return of.egnn_as_before(folder, position, history, n_frames)
    method = of.egnn() if name.startswith("egnn") else of.e3nn(int(name.split("_b")[1]))
    return of.Epochs.of(method, folder, position, history, n_frames)


def matrix_products() -> dict[str, Callable[[], float]]:
    """The machine's limit: operations in a matrix product by NumPy and by JAX."""
    a = np.random.default_rng(0).normal(size=(SIDE, SIDE)).astype(np.float32)
    on_device, multiply = jax.numpy.asarray(a), jax.jit(jax.numpy.matmul)
    products = {
        "numpy": lambda: a @ a,
        "jax": lambda: multiply(on_device, on_device).block_until_ready(),
    }
    return {
        name: lambda product=product: product() is not None and 2e-9 * SIDE**3
        for name, product in products.items()
    }


def rate(block: Callable[[], float], seconds: float) -> float:
    """What a block does in a second of processor time, repeated until it took `seconds`."""
    begin, done = time.process_time(), 0.0
    while (spent := time.process_time() - begin) < seconds or not done:
        done += block()
    return done / spent


def say(what: str, unit: str, **values: object) -> None:
    """One line."""
    print(json.dumps({"what": what, **values, "unit": unit}), flush=True)


def prepare(
    names: list[str], position: np.ndarray, n_frames: int, folder: Path, budget: float
) -> dict[str, Callable]:
    """The blocks of those that can be built, each run once; a line for each that cannot.

    None is begun once `budget` seconds are over.
    """
    begin, blocks = time.perf_counter(), {}
    for name in names:
        if time.perf_counter() - begin > budget:
            say(
                NAMES[name],
                RATE,
                value=None,
                error=f"no time was left to build it: {budget:g} s were over",
            )
            continue
        print(f"building {NAMES[name]}", file=sys.stderr, flush=True)
        try:
            found = (
                matrix_products()
                if name == "matrix"
                else {name: built(name, position, n_frames, folder)}
            )
            for block in found.values():
                block()
        except (
            Exception
        ) as error:  # a competitor that is not installed or fails is a row that says so
            say(
                NAMES[name],
                RATE,
                value=None,
                error=f"{type(error).__name__}: {error}".splitlines()[0][:200],
            )
            continue
        blocks |= found
    return blocks


def rounds(
    blocks: dict[str, Callable], count: int, seconds: float, budget: float
) -> dict[str, np.ndarray]:
    """The rates of each competitor in each round; no further round is begun once `budget` seconds
    are over."""
    begin, found = time.perf_counter(), {name: [] for name in blocks}
    for i in range(count):
        if i and time.perf_counter() - begin > budget:
            print(f"stopped after {i} of {count} rounds: {budget:g} s are over", file=sys.stderr)
            break
        for name, block in blocks.items():
            found[name].append(rate(block, seconds))
    return {name: np.array(rates) for name, rates in found.items()}


def lines(found: dict[str, np.ndarray]) -> Iterator[tuple[str, str, dict]]:
    """What, unit and values of each competitor."""
    for name, rates in found.items():
        values = {"value": np.median(rates), "low": rates.min(), "high": rates.max()}
        if name in NAMES and "chapter" in found:
            values["ratio"] = np.median(rates / found["chapter"])
        values = {key: float(f"{value:.4g}") for key, value in values.items()} | {
            "rounds": len(rates)
        }
        yield (
            NAMES.get(name, f"{NAMES['matrix']}, {name}"),
            RATE if name in NAMES else LIMIT,
            values,
        )
    for k in (1, 3):
        pair = [found.get(name) for name in (f"egnn_k{k}", f"egnn_before_k{k}")]
        if pair[0] is not None and pair[1] is not None:
            ratio = pair[0] / pair[1]
            values = {"value": np.median(ratio), "low": ratio.min(), "high": ratio.max()}
            values = {key: float(f"{value:.3g}") for key, value in values.items()}
            yield f"`egnn` to EGNN sample by sample, K = {k}", "times", values


def say_operations(name: str, epochs: of.Epochs, found: dict[str, np.ndarray]) -> None:
    """Operations per frame, the share of the machine's limit that is reached, and the profile of a
    step."""
    here, flops = NAMES[name], operations.flops_per_frame(epochs)
    say(f"{here}: operations", "MFLOP/frame", value=round(flops / 1e6, 2))
    limits = [found[key] for key in ("numpy", "jax") if key in found]
    if limits:
        share = 100 * np.median(found[name]) * flops / (1e9 * np.median(np.maximum.reduce(limits)))
        say(f"{here}: of the limit", "%", value=round(float(share), 1))
    for group, (microseconds, percent) in operations.profile(epochs).items():
        say(f"{here}: {group}", "us/frame", value=round(microseconds, 1), share=f"{percent:.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="the main figures, in 3 short rounds")
    parser.add_argument("--rounds", type=int, help="default: 7, or 3 with --quick")
    parser.add_argument("--frames", type=int, default=1024, help="training frames (default: 1024)")
    parser.add_argument("--only", help=f"names with commas between them, of {', '.join(NAMES)}")
    parser.add_argument(
        "--data", type=Path, help="an .npz file of positions (T, 12, 2), such as paths.npz"
    )
    help = "seconds for building, and for rounds (default: 900 400, or 70 20 with --quick)"
    parser.add_argument("--budget", type=float, nargs=2, metavar=("BUILDING", "ROUNDS"), help=help)
    args = parser.parse_args()
    names = args.only.split(",") if args.only else list(QUICK if args.quick else NAMES)
    if unknown := sorted({*names} - {*NAMES}):
        parser.error(f"--only {','.join(unknown)}; expected some of {', '.join(NAMES)}")
    building, timing = args.budget or ((70, 20) if args.quick else (900, 400))
    position = chain.positions(args.frames + 2 * chain.VALIDATION + 3, args.data)
    with tempfile.TemporaryDirectory() as folder:
        blocks = prepare(names, position, args.frames, Path(folder), building)
    count, seconds = (3, SECONDS / 2) if args.quick else (7, SECONDS)
    found = rounds(blocks, args.rounds or count, seconds, timing)
    for what, unit, values in lines(found):
        say(what, unit, **values)
    for name in (n for n in blocks if n.startswith("e3nn_k") and n.endswith("b16")):
        say_operations(name, blocks[name], found)


if __name__ == "__main__":
    main()
