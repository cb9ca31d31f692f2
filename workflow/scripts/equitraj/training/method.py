"""A method: model, alignment, augmentation and hyperparameters under one short name, and what it
claims."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

import numpy as np

from equitraj.base import allowed
from equitraj.base.claims import GENERATORS, LEVELS, completed
from equitraj.base.registry import ModelSpec, check_values, load_model, model_spec
from equitraj.data.features import Shape
from equitraj.frames import Base, load_alignment
from equitraj.training.options import TrainingOptions
from equitraj.training.state import pretrained


@dataclass(frozen=True)
class Method:
    """Attributes: name; model, name of a file; alignment, its name; augmentation, "none",
    "rotation" or "rotation_z"; options, the
    model's hyperparameters; training, the options of the training loop; frames, the file of the
    alignment (that of its name where it is empty), and frame_options, its options; pretrained,
    `path` and `sha256` of first weights."""

    name: str
    model: str
    alignment: str = "none"
    augmentation: str = "none"
    options: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    frames: str = ""
    frame_options: dict = field(default_factory=dict)
    pretrained: dict = field(default_factory=dict)

    @property
    def module(self) -> ModuleType:
        """The model's module."""
        return load_model(self.model)

    @property
    def aligner(self) -> Base:
        """The alignment, with its options."""
        return load_alignment(self.frames or self.alignment, self.frame_options)

    @property
    def spec(self) -> ModelSpec:
        """What the model's file says of itself."""
        return model_spec(self.model)

    @property
    def closed_form(self) -> bool:
        """Whether the model has its own `fit` in place of a training loop."""
        return self.spec.closed_form

    @property
    def residual(self) -> str:
        """What the output is added to: what the model's file says, else the option of the training
        loop."""
        fixed = {"displacement": "last", "velocity": "last", "acceleration": "velocity"}
        if self.closed_form:
            return "last"
        return fixed.get(self.spec.predicts) or self.training_options().residual

    def first_weights(self) -> dict[str, np.ndarray] | None:
        """Given first weights by name, None where they are drawn; `adopted` of a model file renames
        those of others."""
        if not self.pretrained:
            return None
        adopted = getattr(self.module, "adopted", dict)
        return adopted(pretrained(**self.pretrained))

    @property
    def layers(self) -> Callable | None:
        """The model's `layers`, where it has them and its network stands alone."""
        alone = not self.aligner.learned and self.spec.predicts == "residual"
        return getattr(self.module, "layers", None) if alone else None

    def unit(self, shape: Shape) -> float:
        """What one unit of the network's own output is as a displacement, in units of
        `residual_scale`.

        A displacement d, a velocity v or an acceleration a is d, t v or t^2 a / 2 after the time t
        = lag x time step.
        """
        time = shape.lag * shape.time_step
        length = {"displacement": 1.0, "velocity": time, "acceleration": time**2 / 2}[
            self.spec.predicts
        ]
        return length / shape.statistics.residual_scale

    def hyperparameters(self) -> object:
        """The model's hyperparameters, defaults filled in."""
        return self.module.Hyperparameters(**self.options)

    def build(self, shape: Shape, *key: object) -> object:
        """The network for samples of this shape, in its learned frame if it has one; `key` for JAX,
        none for torch."""
        network, aligner, spec = (
            self.module.build(self.hyperparameters(), shape, *key),
            self.aligner,
            self.spec,
        )
        if spec.predicts != "residual":
            network = import_module(f"equitraj.training.units.{spec.framework}").wrap(
                network, self.unit(shape)
            )
        if not aligner.learned:
            return network
        canonical = import_module(f"equitraj.frames.canonical.{spec.framework}")
        return canonical.wrap(network, aligner.width, shape, *key)

    def cutoff(self, shape: Shape) -> float | None:
        """The distance, in the data's units, within which the network compares points; None where
        it takes all pairs.

        A model file says it by `cutoff(hyperparameters, shape)`, and gets neighbour lists then.
        """
        asked = getattr(self.module, "cutoff", None)
        return asked(self.hyperparameters(), shape) if asked else None

    def training_options(self) -> TrainingOptions:
        """The options of the training loop, defaults filled in.

        Raises:
            ValueError: there is no such option, or a value is not allowed.
        """
        check_values(
            f"methods.{self.name}.training", self.training, allowed.options(TrainingOptions)
        )
        return TrainingOptions(**self.training)

    def claims(self) -> dict[str, str]:
        """Generator to level (see `claims.LEVELS`): the strongest of what model, alignment and
        training give it.

        A frame that turns with its input makes any model equivariant; rotated copies and a penalty
        can only teach it. A frame that depends on the order of the points takes the permutation
        away from any model.
        """
        model, aligner = self.module.claims(self.hyperparameters()), self.aligner
        by_loss = any(self.training.get(option, 0) > 0 for option in ("symmetry_penalty", "copies"))
        taught = self.augmentation == "rotation" or by_loss
        model = completed(model)
        frames = completed({g: getattr(aligner, g) for g in GENERATORS if g != "permutation"})
        level = {g: [frames[g], "exact" if model[g] else "no"] for g in frames}
        level["rotation"].append("learned" if taught else "no")
        level["rotation_z"].append(
            "learned" if taught or self.augmentation == "rotation_z" else "no"
        )
        claimed = {g: max(levels, key=LEVELS.index) for g, levels in level.items()}
        return claimed | {
            "permutation": "exact" if model["permutation"] and aligner.permutation else "no"
        }
