"""The audit against tools that share nothing with it: e3nn's own equivariance error, and loops over
plain numbers."""

import json
import math
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest

from equitraj import symmetry
from equitraj.base import registry
from equitraj.data import features
from equitraj.data.features import Shape
from equitraj.data.tasks import Sample
from equitraj.prediction import predictor
from equitraj.symmetry.actions import Element, draw
from equitraj.training.method import Method

torch = pytest.importorskip("torch")
o3 = pytest.importorskip("e3nn.o3")

N_SAMPLES, N_POINTS, HISTORY = 5, 4, 3
SMALL = {"layers": 2}
CLAIMS = {
    "rotation": "exact",
    "reflection": "exact",
    "translation": "exact",
    "permutation": "exact",
}
BROKEN = {
    "displacements as pseudovectors": {"irreps_in": "2x1e"},
    "output as pseudovectors": {"irreps_out": "1x1e"},
}


def sample() -> Sample:
    """Points that move by a fiftieth of their distances."""
    rng = np.random.default_rng(0)
    steps = 0.02 * rng.normal(size=(N_SAMPLES, HISTORY, N_POINTS, 3))
    position = rng.normal(size=(N_SAMPLES, 1, N_POINTS, 3)) + np.cumsum(steps, axis=1)
    return Sample(position, position[:, -1] + 0.02 * rng.normal(size=(N_SAMPLES, N_POINTS, 3)))


def shape() -> Shape:
    s = sample()
    return Shape(N_POINTS, HISTORY - 1, 0, features.measure(s, "last", 1))


@cache
def torch_weights(built: str) -> dict[str, np.ndarray]:
    from equitraj.training.torch import named_arrays

    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    return named_arrays(Method(**json.loads(built)).build(shape()))


def loader(method: Method):
    """`load(dtype)`, the predictors of an e3nn network with fresh weights."""
    arrays = torch_weights(json.dumps(asdict(method)))

    def load(dtype: str):
        forward = predictor.forward(method, shape(), arrays, dtype)
        return lambda s: predictor.Predictor(method.aligner, forward).predict(s)

    return load


def e3nn_method(name: str = "whole") -> Method:
    return Method(name, "e3nn_network", "centre_of_mass", options=SMALL)


def break_network(monkeypatch, change: dict[str, str]) -> Method:
    """The e3nn network with other irreps, under a name of its own."""
    module = registry.load_model("e3nn_network")
    network, change = module.GraphNetwork, {k: o3.Irreps(v) for k, v in change.items()}
    monkeypatch.setattr(module, "GraphNetwork", lambda **given: network(**(given | change)))
    return e3nn_method(str(change))


def as_function_of_points(predict):
    """A predictor as e3nn's tool wants it: points (B * K * N, 3) in, points (B * N, 3) out."""

    def func(points):
        position = points.numpy().reshape(N_SAMPLES, HISTORY, N_POINTS, 3)
        return torch.as_tensor(predict(Sample(position)).reshape(-1, 3))

    return func


def drawn_by_e3nn(seed: int, trials: int) -> dict[tuple, list[Element]]:
    """The elements that `equivariance_error` draws from this seed, by parity and translation."""
    torch.manual_seed(seed)
    found = {(parity, shifted): [] for parity in (0, 1) for shifted in (False, True)}
    for _ in range(trials):
        for (parity, shifted), elements in found.items():
            matrix = (-1) ** parity * o3.rand_matrix(dtype=torch.float64).numpy()
            shift = (
                10 * torch.randn(1, 3, dtype=torch.float64).numpy()[0] if shifted else np.zeros(3)
            )
            elements.append(Element(np.arange(N_POINTS), matrix, shift))
    return found


@pytest.mark.parametrize("broken", [None, *BROKEN], ids=lambda b: b or "whole")
def test_the_largest_error_agrees_with_the_tool_of_e3nn_on_the_same_elements(monkeypatch, broken):
    """Both take the largest coordinate of the same vectors, e3nn's tool in turned axes: at most a
    factor sqrt(3)."""
    from e3nn.util.test import equivariance_error

    s, seed, trials = sample(), 3, 3
    method = break_network(monkeypatch, BROKEN[broken]) if broken else e3nn_method()
    predict = loader(method)("float32")  # its rounding is an error large enough to be compared
    torch.manual_seed(seed)
    points, kind = [torch.as_tensor(s.position.reshape(-1, 3))], ["cartesian_points"]
    theirs = equivariance_error(as_function_of_points(predict), points, kind, kind, ntrials=trials)
    for (parity, shifted), elements in drawn_by_e3nn(seed, trials).items():
        ours = np.max(symmetry.measure(predict, s, predict(s), elements).absolute)
        ratio = ours / float(theirs[parity, shifted])
        assert 1 / math.sqrt(3) <= ratio <= math.sqrt(3), (parity, shifted, ratio)
        assert (ours > 1e-4) == (broken is not None and parity == 1), (parity, shifted, ours)


@pytest.mark.parametrize("broken", [None, *BROKEN], ids=lambda b: b or "whole")
def test_the_tool_of_e3nn_on_the_bare_network_gives_the_verdict_of_the_audit(monkeypatch, broken):
    """The tool turns the network's own inputs by their irreps: it sees neither frames nor
    differences of positions."""
    from e3nn.util.test import equivariance_error

    from equitraj.training.dense import tensors
    from equitraj.training.torch import set_arrays

    s, method = sample(), break_network(monkeypatch, BROKEN[broken]) if broken else e3nn_method()
    rows = symmetry.audit(loader(method), s, CLAIMS, {"float32": 3, "float64": 3})
    torch.set_default_dtype(torch.float64)
    network = method.build(shape())
    set_arrays(network, torch_weights(json.dumps(asdict(method))))
    given = tensors(features.network_inputs(s, shape().statistics, "float64"))
    with torch.no_grad():
        func = lambda position, past: network(  # noqa: E731
            {"position": position, "displacement": past.unflatten(-1, (2, 3)).swapaxes(1, 2)}
        )
        arguments = [given["position"], given["displacement"].swapaxes(1, 2).flatten(2)]
        theirs = equivariance_error(
            func, arguments, ["cartesian_points", "2x1o"], ["1x1o"], ntrials=3
        )
    verdicts = {r["generator"]: r["verdict"] for r in rows if r["dtype"] == "float64"}
    for generators, error in (
        (("rotation",), theirs[0, False]),
        (("inversion", "mirror"), theirs[1, False]),
        (("translation",), theirs[0, True]),
    ):
        # outputs are of order one; relative positions 10 extents from the origin keep 15 digits
        expected = "broken" if float(error) > 1e-2 else "exact"
        assert expected == "broken" or float(error) < 1e-12
        assert {verdicts[g] for g in generators} == {expected}


@pytest.mark.parametrize("broken", BROKEN)
def test_one_wrong_parity_is_exact_under_rotation_and_broken_under_reflection(monkeypatch, broken):
    method = break_network(monkeypatch, BROKEN[broken])
    rows = symmetry.audit(loader(method), sample(), CLAIMS, {"float32": 3, "float64": 3})
    found = {(r["dtype"], r["generator"]): (r["verdict"], r["agrees"]) for r in rows}
    for dtype in ("float32", "float64"):
        for generator in ("rotation", "translation", "permutation"):
            assert found[dtype, generator] == ("exact", "yes")
        for generator in ("inversion", "mirror", "euclidean"):
            assert found[dtype, generator] == ("broken", "no")


@pytest.fixture(scope="module")
def mlp():
    import equinox as eqx
    import jax

    from equitraj.training.jax import named_arrays

    method = Method("mlp", "mlp", options={"width": 8})
    arrays = named_arrays(eqx.filter_jit(lambda key: method.build(shape(), key))(jax.random.key(0)))
    return predictor.Predictor(
        method.aligner, predictor.forward(method, shape(), arrays, "float64")
    ).predict


def transformed(g: Element, points: np.ndarray) -> np.ndarray:
    """g x of points (N, 3), coordinate by coordinate."""
    moved = np.empty_like(points)
    for i, j in enumerate(g.order):
        for a in range(3):
            moved[i, a] = sum(g.matrix[a, c] * points[j, c] for c in range(3)) + g.shift[a]
    return moved


def brought_back(g: Element, points: np.ndarray) -> np.ndarray:
    """g^-1 y of points (N, 3), coordinate by coordinate."""
    back = np.empty_like(points)
    for i, j in enumerate(g.order):
        for a in range(3):
            back[j, a] = sum(g.matrix[c, a] * (points[i, c] - g.shift[c]) for c in range(3))
    return back


def by_brute_force(predict, s: Sample, elements: list[Element]) -> dict[str, float]:
    """The audit's numbers from its definitions, one sample and one element at a time."""
    typical = math.sqrt(
        sum(np.sum((s.target[b] - s.position[b, -1]) ** 2) for b in range(len(s))) / len(s)
    )
    relative, absolute, losses, variances = [], [], [], []
    for b in range(len(s)):
        still = predict(Sample(s.position[b : b + 1]))[0]
        moved_by = max(math.sqrt(np.sum((still - s.position[b, -1]) ** 2)), typical)
        turned = []
        for g in elements:
            moved = np.stack([transformed(g, frame) for frame in s.position[b]])
            turned.append(brought_back(g, predict(Sample(moved[None]))[0]))
            error = turned[-1] - still
            relative.append(math.sqrt(sum(float(e) ** 2 for e in error.ravel())) / moved_by)
            absolute.append(max(abs(float(e)) for e in error.ravel()))
            losses.append(np.mean((turned[-1] - s.target[b]) ** 2))
        mean = sum(turned) / len(turned)
        variances += [np.mean((t - mean) ** 2) for t in turned]
    return {
        "rel_mean": float(np.mean(relative)),
        "rel_max": max(relative),
        "abs_max": max(absolute),
        "loss_total": float(np.mean(losses)),
        "loss_percent": float(100 * np.mean(variances) / np.mean(losses)),
    }


@pytest.mark.parametrize(
    "generator", ["rotation", "mirror", "translation", "permutation", "euclidean"]
)
def test_the_audit_of_an_mlp_agrees_with_a_loop_over_elements_samples_and_coordinates(
    mlp, generator
):
    s = sample()
    elements = draw(generator, 4, N_POINTS, 1.5, np.random.default_rng(1))
    found = symmetry.measure(mlp, s, mlp(s), elements)
    ours, theirs = found.errors() | found.loss(), by_brute_force(mlp, s, elements)
    assert (
        theirs["rel_mean"] > 1e-2 and theirs["loss_percent"] > 1e-2
    )  # there is something to agree on
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=1e-9), (
            name
        )  # 1e-16 of positions is 1e-14 of the motion
