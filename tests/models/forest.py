"""A random forest of scikit-learn on the past and the features of each point; its trees are kept as
arrays."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from equitraj.data.features import View

FRAMEWORK = "numpy"
ENVIRONMENT = "scikit"  # envs/scikit.yaml
MINIMUM_HISTORY = 2


@dataclass(frozen=True)
class Hyperparameters:
    """Attributes: trees; depth, the largest."""

    trees: int = 8
    depth: int = 6


def claims(hyperparameters: Hyperparameters) -> dict[str, bool]:
    """Translations, because it sees no positions, and permutations, because every point is treated
    alike."""
    return {"rotation": False, "reflection": False, "translation": True, "permutation": True}


def seen(view: View) -> np.ndarray:
    """(B * N, 3 V + F): the past and the features of each point."""
    past = np.moveaxis(view.past, 1, 2).reshape(-1, 3 * view.past.shape[1])
    return (
        past
        if view.scalar is None
        else np.concatenate([past, view.scalar.reshape(len(past), -1)], axis=1)
    )


def fit(hyperparameters: Hyperparameters, view: View, target: np.ndarray) -> dict[str, np.ndarray]:
    """The trees, one below the other; `root` is where each begins."""
    forest = RandomForestRegressor(
        hyperparameters.trees, max_depth=hyperparameters.depth, random_state=0
    )
    forest.fit(seen(view), (target - view.newest).reshape(-1, 3))
    trees = [estimator.tree_ for estimator in forest.estimators_]
    root = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    children = [
        np.stack([t.children_left, t.children_right], 1) + r
        for t, r in zip(trees, root, strict=True)
    ]
    children = [
        np.where(c < r, -1, c) for c, r in zip(children, root, strict=True)
    ]  # a leaf has none
    return {
        "root": root,
        "children": np.concatenate(children),
        "feature": np.concatenate([tree.feature for tree in trees]),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "value": np.concatenate([tree.value[..., 0] for tree in trees]),
    }


def apply(state: dict[str, np.ndarray], view: View) -> np.ndarray:
    """Displacement (B, N, 3): the mean over the trees."""
    features = seen(view)
    node = np.repeat(state["root"][:, None], len(features), axis=1)
    while (inner := state["children"][node, 0] >= 0).any():
        value = np.take_along_axis(features.T, np.maximum(state["feature"][node], 0), axis=0)
        right = (value > state["threshold"][node]).astype(int)
        node = np.where(inner, state["children"][node, right], node)
    return state["value"][node].mean(0).reshape(view.newest.shape)
