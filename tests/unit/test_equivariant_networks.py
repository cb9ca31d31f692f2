"""NequIP, SEGNN and vector neurons: their layers by e3nn or written out, their symmetry with
controls, and training."""

import math
from types import ModuleType

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from e3nn import nn, o3
from scipy.linalg import expm
from scipy.spatial.transform import Rotation
from scipy.special import spherical_jn

from equitraj import symmetry
from equitraj.data import features, tasks
from equitraj.data.features import Shape
from equitraj.data.trajectory import write
from equitraj.frames.run import run as align
from equitraj.models import _gated, _irreps, _radial, _steerable, nequip, segnn, vector_neurons
from equitraj.models._block import Block
from equitraj.prediction import predictor
from equitraj.training import run as train_run
from equitraj.training.jax import named_arrays, with_arrays
from equitraj.training.method import Method

MODELS = {"nequip": nequip, "segnn": segnn, "vector_neurons": vector_neurons}
SMALL = {
    "nequip": {"width": 4, "layers": 2, "radial_neurons": 8},
    "segnn": {"width": 4, "layers": 1, "lmax": 2},
    "vector_neurons": {"width": 8, "layers": 1},
}
TASK = {"name": "chain_k3", "source": "chain", "history": 3, "lag": 1}
TASK["split"] = {"by": "time", "train": 60, "validation": 20, "test": 30}
called = eqx.filter_jit(lambda network, inputs: network(inputs))


def in_float64(network: eqx.Module) -> eqx.Module:
    return with_arrays(network, named_arrays(network), "float64")


def built(module: ModuleType, options: object, shape: Shape, seed: int = 0) -> eqx.Module:
    """A network in float64; one program in place of one for each shape of its weights."""
    return in_float64(
        eqx.filter_jit(lambda key: module.build(options, shape, key))(jax.random.key(seed))
    )


def random(*size: int) -> np.ndarray:
    return np.random.default_rng(sum(size)).normal(size=size)


def flat(x: dict[int, np.ndarray]) -> torch.Tensor:
    """Features by degree (C, 2 l + 1, P) as e3nn has them, (P, sum of C (2 l + 1))."""
    return torch.tensor(np.concatenate([v.reshape(-1, v.shape[2]) for v in x.values()]).T)


def test_a_steerable_map_is_e3nns_fully_connected_tensor_product():
    torch.set_default_dtype(torch.float64)
    widths, out, lmax = {0: 3, 1: 4, 2: 2}, {0: 5, 1: 2, 2: 3}, 2
    steerable = in_float64(_steerable.Steerable(widths, lmax, out, jax.random.key(0), bias=False))
    irreps = [o3.Irreps([(mul, (d, (-1) ** d)) for d, mul in one.items()]) for one in (widths, out)]
    harmonics = o3.Irreps.spherical_harmonics(lmax)
    library = o3.FullyConnectedTensorProduct(irreps[0], harmonics, irreps[1])
    for path, weight in zip(library.instructions, library.weight_views(), strict=True):
        fan = sum(widths[p[0]] for p in steerable.paths if p[2] == path.i_out)
        own = np.asarray(steerable.weights[_steerable.name((path.i_in1, path.i_in2, path.i_out))])
        weight.data[:, 0] = torch.tensor(
            own.T * fan**0.5
        )  # e3nn divides by the root of the number of terms
    x, unit = {d: random(mul, 2 * d + 1, 7) for d, mul in widths.items()}, random(7, 3)
    y = o3.spherical_harmonics(harmonics, torch.tensor(unit), True, normalization="component")
    attributes = [v.numpy().T[None] for v in y.split([1, 3, 5], dim=1)]

    @eqx.filter_jit
    def mapped(steerable: _steerable.Steerable, x: dict, attributes: list) -> dict:
        return steerable(x, {k: v[0] for k, v in _steerable.couplings(attributes, lmax).items()})

    found = {d: np.asarray(v) for d, v in mapped(steerable, x, attributes).items()}
    expected = library(flat(x), y).detach()
    np.testing.assert_allclose(
        flat(found), expected, atol=1e-12
    )  # rounding of sums of some twenty terms of order one


@pytest.mark.parametrize("parity", [False, True])
def test_an_interaction_block_is_made_of_e3nns_maps(parity):
    """As the published code is: linear, tensor product by radial weights, linear, self-connection,
    gate, ResNet."""
    torch.set_default_dtype(torch.float64)
    n, width, n_attributes = 4, 2, 3
    options = nequip.Hyperparameters(width=width, layers=3, radial_neurons=5, parity=parity)
    shape = Shape(n, 1, n_attributes - 1, statistics(1))
    layer = built(nequip, options, shape).layers[-1]
    irreps = o3.Irreps([(mul, (d, p)) for mul, d, p in nequip.hidden(options)])
    assert layer.convolution.irreps_in == layer.gate.irreps_out == nequip.hidden(options)
    x = {d: random(width * (1 + parity), 2 * d + 1, n, 1) for d in range(3)}
    basis, attributes, unit = (
        random(9, n * (n - 1) // 2 + 1, 1),
        random(n_attributes, n, 1),
        random(n, n, 3),
    )
    basis[:, -1] = 0  # of a point with itself
    y = o3.spherical_harmonics(
        o3.Irreps.spherical_harmonics(2), torch.tensor(unit), True, normalization="component"
    )
    harmonic = [v.permute(2, 0, 1).numpy()[..., None] for v in y.split([1, 3, 5], dim=-1)]
    run = eqx.filter_jit(lambda layer, *given: layer(*given, Block(n), n - 1))
    found = run(layer, x, jnp.asarray(basis), harmonic, jnp.asarray(attributes))
    expected = interaction(layer, irreps, x, basis[..., 0], y, attributes[..., 0])
    columns = flat({d: np.asarray(v)[..., 0] for d, v in found.items()})
    np.testing.assert_allclose(
        columns, expected.detach(), atol=1e-11
    )  # rounding, as above, through more sums


def interaction(
    layer, irreps: o3.Irreps, x: dict, basis: np.ndarray, y: torch.Tensor, attributes
) -> torch.Tensor:
    """Features (N, C) by e3nn's modules, pair by pair."""
    silu, n = torch.nn.functional.silu, len(y)
    gates = nn.Gate(irreps[:1] if irreps[1].ir.l else irreps[:2], *gate_arguments(irreps))
    middle, paths = [], []
    for i, (mul, ir) in enumerate(irreps):
        for j, edge in enumerate(o3.Irreps.spherical_harmonics(2)):
            for out in ir * edge.ir:
                if out in gates.irreps_in:
                    paths.append((i, j, len(middle), "uvu", True))
                    middle.append((mul, out))
    middle, order, _ = o3.Irreps(middle).sort()
    paths = [(i, j, order[k], *rest) for i, j, k, *rest in paths]
    harmonics = o3.Irreps.spherical_harmonics(2)
    product = o3.TensorProduct(
        irreps, harmonics, middle, paths, shared_weights=False, internal_weights=False
    )
    weights = {k: torch.tensor(np.asarray(getattr(layer, k))) for k in ("inner", "outer", "own")}
    first, last = o3.Linear(irreps, irreps), o3.Linear(middle.simplify(), gates.irreps_in)
    own = o3.FullyConnectedTensorProduct(irreps, f"{len(attributes)}x0e", gates.irreps_in)
    first.weight.data, last.weight.data = weights["inner"], weights["outer"]
    place = 0
    for view in own.weight_views():  # (channels, attributes, channels out)
        size = view.shape[0] * view.shape[2]
        part = weights["own"][:, place : place + size].reshape(
            len(attributes), view.shape[0], view.shape[2]
        )
        view.data[:] = part.transpose(0, 1) * len(attributes) ** 0.5
        place += size
    radial = [torch.tensor(np.asarray(w)) for w in layer.radial]
    features = flat({d: v[..., 0] for d, v in x.items()})
    sent, received, pairs = (
        first(features),
        torch.zeros(n, middle.dim),
        iter(range(n * (n - 1) // 2)),
    )
    for a in range(n):
        for b in range(a + 1, n):
            weight = radial[1] @ silu(radial[0] @ torch.tensor(basis[:, next(pairs)]))
            for sender, receiver in ((a, b), (b, a)):
                received[receiver] += product(
                    sent[sender, None], y[sender, receiver, None], weight[None]
                )[0]
    received = last(received) / (n - 1) ** 0.5
    share = (math.sin(math.pi / 8), math.cos(math.pi / 8))
    return features + gates(
        share[0] * own(features, torch.tensor(attributes.T)) + share[1] * received
    )


def gate_arguments(irreps: o3.Irreps) -> tuple:
    """Activations of scalars, gates, their activations and what they multiply."""
    scalars, higher = [x for x in irreps if not x.ir.l], o3.Irreps([x for x in irreps if x.ir.l])
    act = [torch.nn.functional.silu if x.ir.p > 0 else torch.tanh for x in scalars]
    return act, o3.Irreps([(x.mul, "0e") for x in higher]), [torch.sigmoid] * len(higher), higher


def test_bessel_functions_are_scipys_and_the_envelope_ends_smoothly():
    distance, radius = np.linspace(0, 2.5, 50), 2.5
    found = _radial.bessel(jnp.asarray(distance), jnp.asarray(radius), 8)
    root = np.pi * np.arange(1, 9)[:, None] / radius
    expected = (2 / radius) ** 0.5 * root * spherical_jn(0, root * distance)
    np.testing.assert_allclose(found, expected, atol=1e-13)  # rounding of numbers up to 9
    function = _radial.envelope
    for _ in range(3):  # itself, its first and its second derivative
        assert (
            abs(function(1 - 1e-9)) < 1e-6 and function(1.5) == 0
        )  # the third derivative is 336 there
        function = jax.grad(function)
    assert _radial.envelope(0.0) == 1


def test_leaky_relu_is_the_equation_written_out():
    """Deng et al., eq. 6, vector by vector, for both signs of the part along the direction."""
    x, direction = random(2, 5, 3, 40)
    found, kept = vector_neurons.leaky_relu(jnp.asarray(x), jnp.asarray(direction), 0.2), 0
    for c, p in np.ndindex(5, 40):
        q, k = x[c, :, p], direction[c, :, p]
        cut = q if q @ k >= 0 else q - (q @ k) / (k @ k + vector_neurons.SMALL) * k
        kept += q @ k >= 0
        np.testing.assert_allclose(found[c, :, p], 0.2 * q + 0.8 * cut, atol=1e-14)
    assert 50 < kept < 150


def statistics(history: int) -> features.Statistics:
    return features.Statistics(
        "velocity", (0.0,) * (history - 1) + (1.0,), 1.0, 1.0, (0.0,) * 3, 1.0, 0.6
    )


def loaded(chain, model: str, **options):
    """`load(dtype)` of untrained weights, and samples."""
    s = tasks.samples(chain, np.arange(10, 90, 5), 3, lag=1)
    measured = features.measure(s, "velocity", 1)
    module, shape = MODELS[model], Shape(5, 2, 0, measured)
    network = built(module, module.Hyperparameters(**SMALL[model] | options), shape)
    arrays = named_arrays(network)

    def load(dtype: str):
        cast, run = (
            with_arrays(network, arrays, dtype),
            eqx.filter_jit(lambda network, inputs: network(inputs)),
        )

        def predict(sample):
            output = run(cast, features.network_inputs(sample, measured, dtype))
            return features.prediction(sample, np.asarray(output), measured)

        return predict

    return load, s


def verdicts(chain, model: str, **options) -> dict[str, str]:
    """What the audit finds in float64, by generator."""
    load, s = loaded(chain, model, **options)
    claims = Method(model, model).claims()
    rows = symmetry.audit(load, s, claims, {"float64": 3})
    return {r["generator"]: r["verdict"] for r in rows}


PROPER = ("rotation", "rotation_z", "translation", "permutation")
IMPROPER = ("inversion", "mirror", "euclidean")


def test_features_of_both_parities_are_exact(chain):
    found = verdicts(chain, "nequip", parity=True, width=2)
    assert {found[g] for g in PROPER + IMPROPER} == {"exact"}


def both_parities(widths, lmax, out):
    """Paths between all degrees, as if there were no parity."""
    return [(a, b, c) for c in out for a in widths for b in range(abs(a - c), min(a + c, lmax) + 1)]


def of_wrong_parity(monkeypatch, model: str) -> None:
    """One that knows left from right."""
    if model == "vector_neurons":
        relu = vector_neurons.leaky_relu
        cross = lambda x, d, s: relu(x, d, s) + 0.3 * jnp.cross(x, d, axis=1)  # noqa: E731
        monkeypatch.setattr(vector_neurons, "leaky_relu", cross)
    elif model == "segnn":
        monkeypatch.setattr(_steerable, "paths", both_parities)
    else:
        monkeypatch.setattr(nequip, "linear", mixed_parities)


def mixed_parities(matrices, weight, x):
    """A linear map whose first channel of each degree also sees the last, of whatever parity."""
    found = _gated.linear(matrices, weight, x)
    return {d: v.at[0].add(v[-1]) for d, v in found.items()}


def with_a_broken_gate(monkeypatch, model: str) -> None:
    """A nonlinearity that acts on each component by itself."""
    if model == "vector_neurons":
        monkeypatch.setattr(
            vector_neurons, "leaky_relu", lambda x, direction, slope: jax.nn.leaky_relu(x, slope)
        )
    elif model == "segnn":
        gate = _steerable.gate
        monkeypatch.setattr(
            segnn, "gate", lambda x, w: {d: jnp.tanh(v) for d, v in gate(x, w).items()}
        )
    else:
        monkeypatch.setattr(
            nequip,
            "activated",
            lambda g, x: {d: jnp.tanh(v) for d, v in _gated.activated(g, x).items()},
        )


@pytest.mark.parametrize("model", MODELS)
def test_wrong_parities_fail_the_audit_for_reflections_alone(chain, monkeypatch, model):
    of_wrong_parity(monkeypatch, model)
    found = verdicts(chain, model, **({"parity": True} if model == "nequip" else {}))
    assert {found[g] for g in PROPER} == {"exact"}
    assert "exact" not in {found[g] for g in IMPROPER}


@pytest.mark.parametrize("model", MODELS)
def test_a_broken_gate_fails_the_audit_for_rotations(chain, monkeypatch, model):
    with_a_broken_gate(monkeypatch, model)
    found = verdicts(chain, model)
    assert "exact" not in {found[g] for g in ("rotation", "mirror", "euclidean")}
    assert {found[g] for g in ("translation", "permutation")} == {"exact"}


@pytest.mark.parametrize("model", MODELS)
def test_the_features_of_each_layer_turn_by_their_degree(chain, model):
    _, s = loaded(chain, model)
    module, shape = MODELS[model], Shape(5, 2, 0, features.measure(s, "velocity", 1))
    network = built(module, module.Hyperparameters(**SMALL[model]), shape, seed=1)
    inputs, angle = (
        features.network_inputs(s, shape.statistics, "float64"),
        np.array([0.3, -1.1, 0.7]),
    )
    turn = Rotation.from_rotvec(angle).as_matrix()
    turned = inputs | {k: inputs[k] @ turn.T for k in ("position", "displacement")}
    (_, before), (_, after) = (
        eqx.filter_jit(module.layers)(network, given) for given in (inputs, turned)
    )
    assert len(before) == SMALL[model]["layers"]
    for name, by_degree in before.items():
        for degree, value in by_degree.items():
            matrix = expm(np.einsum("a,amn->mn", angle, _irreps.generators(degree)))
            assert np.abs(value).max() > 1e-3 and value.shape[:2] == (16, 5)
            np.testing.assert_allclose(
                after[name][degree], np.asarray(value) @ matrix.T, atol=1e-11
            )  # rounding


@pytest.mark.parametrize("model", MODELS)
def test_what_a_task_shows_of_the_points_counts_and_turns_nothing(model):
    module, options, rng = MODELS[model], SMALL[model] | {"layers": 1}, np.random.default_rng(0)
    network = built(module, module.Hyperparameters(**options), Shape(5, 1, 2, statistics(2)))
    vectors = {
        "position": rng.normal(size=(2, 5, 3)),
        "displacement": rng.normal(size=(2, 1, 5, 3)),
    }
    inputs = vectors | {"scalar": rng.normal(size=(2, 5, 2)), "adjacency": np.zeros((2, 5, 5))}
    mirror = np.diag([1.0, -1.0, 1.0]) @ Rotation.random(rng=rng).as_matrix()
    before, after = (
        called(network, inputs),
        called(network, inputs | {k: v @ mirror.T for k, v in vectors.items()}),
    )
    np.testing.assert_allclose(
        after, before @ mirror.T, atol=1e-12
    )  # rounding of numbers of order one
    for i in range(2):
        other = inputs | {"scalar": inputs["scalar"] + np.eye(2)[i]}
        assert np.abs(called(network, other) - before).max() > 1e-3


def test_lists_of_neighbours_give_what_all_pairs_do_in_nequip():
    rng, cutoff, n = np.random.default_rng(0), 1.2, 9
    shape = Shape(n, 2, 0, statistics(3))
    network = built(nequip, nequip.Hyperparameters(**SMALL["nequip"], max_radius=cutoff), shape)
    inputs = {
        "position": 0.7 * rng.normal(size=(2, n, 3)),
        "displacement": rng.normal(size=(2, 2, n, 3)),
    }
    near = (
        np.linalg.norm(inputs["position"][:, :, None] - inputs["position"][:, None], axis=-1)
        < cutoff
    )
    pairs = [np.argwhere(one & ~np.eye(n, dtype=bool)) for one in near]
    length = max(map(len, pairs)) + 3
    index = np.stack(
        [np.pad(p, ((0, length - len(p)), (0, 0)), constant_values=n) for p in pairs]
    ).astype("i4")
    lists = {"receivers": index[..., 0], "senders": index[..., 1]}
    lists |= {"shift": np.zeros((2, length, 3)), "bonded": (index.sum(-1) == 5).astype(float)}
    bonded = np.add.outer(np.arange(n), np.arange(n)) == 5
    whole = called(
        network, inputs | {"adjacency": np.broadcast_to(bonded, (2, n, n)).astype(float)}
    )
    np.testing.assert_allclose(
        called(network, inputs | lists), whole, atol=1e-12
    )  # sums in another order
    assert np.abs(whole).max() > 1e-2 and 0.2 < near.mean() < 0.8


@pytest.fixture(scope="module")
def files(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write(folder / "lifted.h5", chain)
    frames = {"frames": "centre_of_mass", "options": {}}
    align(folder / "lifted.h5", TASK, "centre_of_mass", frames, folder / "aligned.h5")
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_a_few_epochs_beat_constant_velocity(files, chain, tmp_path, model):
    training = {"epochs": 40, "batch_size": 16, "learning_rate": 0.02, "ema": 0.5}
    fewer = {"layers": 1} | ({"lmax": 1} if model == "segnn" else {})
    method = Method(model, model, "centre_of_mass", options=SMALL[model] | fewer, training=training)
    train_run.run(TASK, method, "all", [0], files / "lifted.h5", files / "aligned.h5", tmp_path)
    test = tasks.samples(chain, np.arange(90, 119), 3, lag=1)
    predicted = predictor.load(tmp_path / "seed0").predict(test)
    steady = 2 * test.position[:, -1] - test.position[:, -2]
    assert np.mean((predicted - test.target) ** 2) < 0.3 * np.mean((steady - test.target) ** 2)
