"""Speed of training on a GPU, beside a core of the CPU: batches, precisions of matrix products,
CUDA graphs, seeds.

python tests/benchmarks/gpu.py            (about 6 minutes on a machine with a CUDA device)

Each line of JSON has `what`, `value` (the median over rounds of frames per second of wall time),
`low`, `high`, `unit`, the device and `building`, the seconds that it took to make the program. XLA
reads its settings once, so each is a process of its own. The last lines are trainings by the
workflow's own step: the validation error that they end with.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow/scripts"))

GRAPHS = (
    "--xla_gpu_enable_command_buffer=FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,CONDITIONAL,WHILE"
)
SETTINGS = {
    "cpu": {
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
    },
    "gpu": {"XLA_FLAGS": ""},
    "gpu, loops as CUDA graphs": {"XLA_FLAGS": GRAPHS},
}
PRECISIONS = ("float32", "tensorfloat32", "bfloat16")
ROUNDS, SECONDS, FRAMES, SEEDS, EPOCHS = 5, 0.5, 1024, 5, 30


@dataclasses.dataclass(frozen=True)
class Case:
    """What is trained: a model, history K, the batch's size, precision of matrix products, seeds
    side by side."""

    model: str
    history: int = 1
    size: int = 16
    precision: str = "float32"
    seeds: int = 1

    def __str__(self) -> str:
        seeds = f", {self.seeds} seeds side by side" if self.seeds > 1 else ""
        return f"{self.model}, K = {self.history}, batches of {self.size}, {self.precision}{seeds}"


def cases(setting: str) -> list[Case]:
    """What is measured with a setting."""
    found = [Case("gate_points"), Case("gate_points", 3), Case("egnn", size=64)]
    found += [Case("gate_points", seeds=SEEDS), Case("egnn", size=64, seeds=SEEDS)]
    if setting == "gpu":
        found += [
            Case(model, size=size) for model in ("gate_points", "egnn") for size in (256, 1024)
        ]
        found += [
            Case(m, size=256, precision=p) for m in ("gate_points", "egnn") for p in PRECISIONS[1:]
        ]
        found += [Case("e3nn_network", size=64), Case("e3nn_network", size=256)]
    return found


def method_of(case: Case):
    """The method of the workflow."""
    import competitors as of

    method = of.egnn() if case.model == "egnn" else of.e3nn(case.size, case.model)
    training = method.training | {"batch_size": case.size, "matmul_precision": case.precision}
    return dataclasses.replace(method, training=training)


def built(case: Case, device: str):
    """A block of the case, and the seconds that it took to build."""
    import chain
    import competitors as of
    import jax

    from equitraj.training.jax_epoch import make_epoch

    class Together(of.Epochs):
        """Epochs of several seeds in one program."""

        def _states(self, state: tuple) -> tuple:
            return jax.tree.map(lambda a: jax.numpy.stack([a] * case.seeds), state)

        def _compiled(self, rebuild, state: tuple, constants: object):
            epoch = jax.vmap(make_epoch(rebuild, self.options, self.data), (0, None, None, None))
            with jax.default_matmul_precision(case.precision):
                return jax.jit(epoch).lower(self._states(state), constants, *self.samples).compile()

        def _run(self, state: tuple, constants: object, monitor, checkpoint) -> tuple:
            self.frames_per_epoch *= case.seeds
            super()._run(self._states(state), constants, monitor, checkpoint)
            return state[1], {}

    position = chain.positions(FRAMES + 2 * chain.VALIDATION + 3)
    begin, folder = time.perf_counter(), Path(tempfile.mkdtemp())
    if case.model == "e3nn_network":
        block = of.torch_loop_epochs(method_of(case), folder, position, FRAMES, device)
    else:
        kind = of.Epochs if case.seeds == 1 else Together
        block = kind.of(method_of(case), folder, position, case.history, FRAMES, device=device)
    block()
    return block, time.perf_counter() - begin


def measure(setting: str) -> None:
    """The lines of one setting."""
    device = "cpu" if setting == "cpu" else "cuda"
    chosen = cases(setting)
    with ThreadPoolExecutor(1 if setting == "cpu" else 4) as pool:  # compiling is most of the work
        blocks = dict(
            zip(chosen, pool.map(lambda case: attempt(built, case, device), chosen), strict=True)
        )
    rates = {case: [] for case, block in blocks.items() if not isinstance(block, str)}
    for _ in range(ROUNDS):
        for case, found in rates.items():
            begin, done = time.perf_counter(), 0
            while time.perf_counter() - begin < SECONDS:
                done += blocks[case][0]()
            found.append(done / (time.perf_counter() - begin))
    for case, block in blocks.items():
        found = {"value": None, "error": block}
        if case in rates:
            r = sorted(rates[case])
            found = {"value": r[len(r) // 2], "low": r[0], "high": r[-1], "building": block[1]}
            found = {k: float(f"{v:.4g}") for k, v in found.items()}
        print(json.dumps({"what": f"{case}, {setting}", **found, "unit": "frames/s"}), flush=True)


def attempt(function, *arguments):
    """What the function returns, or its error as a text."""
    try:
        return function(*arguments)
    except Exception as error:  # is a line
        return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def learn(device: str) -> None:
    """Trainings by the workflow's own step on the device, three seeds each: what they end with."""
    import chain

    from equitraj.base.devices import borrowed
    from equitraj.training.run import run as train

    folder = Path(tempfile.mkdtemp())
    task = chain.task(1, 4 * FRAMES)
    files = chain.write_files(folder, chain.positions(4 * FRAMES + 2 * chain.VALIDATION + 3), task)
    with borrowed(device) as place:
        for precision in PRECISIONS if device == "cuda" else PRECISIONS[:1]:
            case = Case("gate_points", size=64, precision=precision)
            method = method_of(case)
            method = dataclasses.replace(method, training=method.training | {"epochs": EPOCHS})
            train(task, method, "all", [0, 1, 2], *files, folder / precision, place)
            records = [
                json.loads((folder / precision / f"seed{s}" / "run.json").read_text())
                for s in range(3)
            ]
            errors = [
                float((folder / precision / f"seed{s}" / "history.csv").read_text().split(",")[-1])
                for s in range(3)
            ]
            line = {
                "what": f"{case}, {EPOCHS} epochs",
                "value": sum(errors) / 3,
                "low": min(errors),
                "high": max(errors),
            }
            line |= {
                k: records[0][k] for k in ("status", "device", "compile_seconds", "train_seconds")
            }
            print(json.dumps(line | {"unit": "validation MSE"}), flush=True)


def main() -> None:
    """All settings one after the other, or what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--setting", choices=SETTINGS, help="this one alone")
    parser.add_argument(
        "--learn", choices=("cpu", "cuda"), help="the trainings on this device alone"
    )
    args = parser.parse_args()
    if args.setting:
        return measure(args.setting)
    if args.learn:
        return learn(args.learn)
    from equitraj.base.devices import found

    if not found():
        print(
            json.dumps(
                {
                    "what": "A CUDA device",
                    "value": None,
                    "error": "there is none here",
                    "unit": "frames/s",
                }
            )
        )
        return None
    call = [sys.executable, __file__]
    parts = [([*call, "--setting", name], more) for name, more in SETTINGS.items()]
    parts += [
        ([*call, "--learn", "cuda"], SETTINGS["gpu"]),
        ([*call, "--learn", "cpu"], SETTINGS["cpu"]),
    ]
    for command, more in parts:
        shared = {
            "OMP_NUM_THREADS": "1",
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        }  # torch is in the same process
        subprocess.run(command, env=os.environ | shared | more, check=False)
    return None


if __name__ == "__main__":
    main()
