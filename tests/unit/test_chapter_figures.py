"""The chapters' figures from small made-up inputs: no warning, no empty axes, a finding with
numbers in it."""

import re
import warnings

import numpy as np
import pytest
from test_chapter import chain, write_chain

from equitraj.chapter import data, ladder
from equitraj.report import figures
from equitraj.report.figures import style

NAMES = [name for name in figures.names() if name.startswith("chapter_")]
N_TRAIN = 18


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A chain of 24 frames and the outputs that two noisy models would leave."""
    folder, position, rng = tmp_path_factory.mktemp("figures"), chain(24), np.random.default_rng(0)
    write_chain(folder / "lifted.h5", position)
    _, labels = data.pairs(position)
    common = {
        "n_train": N_TRAIN,
        "rotation_difference": 4.4521,
        "extrapolated": position[-1] + 0.01,
    }
    common |= {name: rng.normal(size=(12, 3)) for name in ("rotated_first", "rotated_last")}
    baseline = common | {"validation_rmse": np.geomspace(7, 0.4, 12), "w": rng.normal(size=(3, 3))}
    baseline |= {"persistence_mse": 2e-5, "velocity_mse": 1e-7, "least_squares_mse": 2e-5}
    network = common | {"validation_loss": np.geomspace(1e-2, 4e-5, 16)}
    for arrays, noise in ((baseline, 0.3), (network, 0.003)):
        noisy = labels + rng.normal(size=labels.shape) * noise
        arrays |= {"train_prediction": noisy[:N_TRAIN], "validation_prediction": noisy[N_TRAIN:]}
    baseline["rotation_relative_trained"] = 33.0
    network |= {
        "rotation_relative_trained_float32": 2e-6,
        "rotation_relative_trained_float64": 6e-15,
    }
    data.write_arrays(folder / "baseline.npz", **baseline)
    data.write_arrays(folder / "network.npz", **network)
    ladder.write_ladder(folder / "ladder.csv", seed=0)
    return {path.stem: path for path in folder.glob("[!.]*")}


def test_every_figure_of_the_chapters_is_there():
    assert len(NAMES) == 13


@pytest.mark.parametrize("name", NAMES)
def test_figure(name, inputs, tmp_path, caplog):
    module = figures.load(name)
    style.apply()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure, finding = module.draw({key: inputs[key] for key in module.INPUTS})
        style.save(figure, tmp_path / f"{name}.svg")
    assert not caplog.records  # matplotlib logs what it could not do
    assert re.search(r"\d", finding) and "nan" not in finding
    assert module.__doc__.strip() and module.TITLE
    for axes in figure.axes:
        assert axes.has_data(), axes.get_title()
    assert (tmp_path / f"{name}.png").stat().st_size > 5000  # an empty page of this size is smaller
