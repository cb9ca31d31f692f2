"""A method: model, alignment, augmentation and options under one short name, and its claims."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from equitraj.base import allowed
from equitraj.base.claims import GENERATORS, LEVELS, completed
from equitraj.base.registry import ModelSpec, check_values, load_model, model_spec
from equitraj.data.features import Shape
from equitraj.frames import Base, load_alignment
from equitraj.training.options import TrainingOptions
from equitraj.training.state import pretrained

# what the output of a network is added to, by what it predicts
RESIDUALS = {"displacement": "last", "velocity": "last", "acceleration": "velocity"}


@dataclass(frozen=True)
class Method:
    """A method as a configuration describes it.

    Attributes:
        name: short name.
        model: name of a file in models/.
        alignment: name of the alignment.
        augmentation: "none", "rotation" or "rotation_z".
        options: hyperparameters of the model.
        training: options of the training loop.
        frames: name of the alignment's file; the default is `alignment`.
        frame_options: options of the alignment.
        pretrained: `path` and `sha256` of a file with the first weights.
    """

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
        """The module of the model."""
        return load_model(self.model)

    @property
    def aligner(self) -> Base:
        """The alignment, with its options."""
        name = self.frames or self.alignment
        return load_alignment(name, self.frame_options)

    @property
    def spec(self) -> ModelSpec:
        """The properties that the model's file declares."""
        return model_spec(self.model)

    @property
    def closed_form(self) -> bool:
        """Whether the model has its own `fit` in place of a training loop."""
        return self.spec.closed_form

    @property
    def residual(self) -> str:
        """The extrapolation that the output is added to.

        It is fixed by the model's file, or else an option of the training loop.
        """
        if self.closed_form:
            return "last"
        fixed = RESIDUALS.get(self.spec.predicts)
        return fixed or self.training_options().residual

    def first_weights(self) -> dict[str, np.ndarray] | None:
        """Return pretrained weights by name, None where weights are drawn.

        The function `adopted` of a model's file renames the weights of other software.
        """
        if not self.pretrained:
            return None
        adopted = getattr(self.module, "adopted", dict)
        return adopted(pretrained(**self.pretrained))

    @property
    def layers(self) -> Callable | None:
        """The function `layers` of the model, None if there is none or its network is wrapped."""
        is_wrapped = self.aligner.learned or self.spec.predicts != "residual"
        if is_wrapped:
            return None
        return getattr(self.module, "layers", None)

    def unit(self, shape: Shape) -> float:
        """Return the displacement that one unit of the network's own output stands for.

        It is in units of `residual_scale`. After the time t = lag x time step, a displacement d
        leads to d, a velocity v to t v and an acceleration a to t^2 a / 2.
        """
        time = shape.lag * shape.time_step
        lengths = {"displacement": 1.0, "velocity": time, "acceleration": time**2 / 2}
        length = lengths[self.spec.predicts]
        return length / shape.statistics.residual_scale

    def hyperparameters(self) -> object:
        """Return the model's hyperparameters, with defaults where none are set."""
        return self.module.Hyperparameters(**self.options)

    # a network is an equinox or a torch module, and this module imports neither framework
    def build(self, shape: Shape, *key: object) -> Any:
        """Return the network for samples of this shape, with its learned reference frame if any.

        JAX takes one `key`, torch none.
        """
        network = self.module.build(self.hyperparameters(), shape, *key)
        aligner = self.aligner
        framework = self.spec.framework
        if self.spec.predicts != "residual":
            units = import_module(f"equitraj.training.units.{framework}")
            network = units.wrap(network, self.unit(shape))
        if not aligner.learned:
            return network
        canonical = import_module(f"equitraj.frames.canonical.{framework}")
        width = vars(aligner)["width"]  # an option of every learned alignment
        return canonical.wrap(network, width, shape, *key)

    def cutoff(self, shape: Shape) -> float | None:
        """Return the distance, in the data's units, within which the network compares points.

        A model's file defines it by `cutoff(hyperparameters, shape)`, and its network then gets
        neighbour lists. None stands for all pairs.
        """
        cutoff = getattr(self.module, "cutoff", None)
        if cutoff is None:
            return None
        return cutoff(self.hyperparameters(), shape)

    def training_options(self) -> TrainingOptions:
        """Return the options of the training loop, defaults filled in.

        Raises:
            ValueError: an option does not exist, or has a value that is not allowed.
        """
        options = allowed.options(TrainingOptions)
        check_values(f"methods.{self.name}.training", self.training, options)
        return TrainingOptions(**self.training)

    def claims(self) -> dict[str, str]:
        """Return the claimed level (see `claims.LEVELS`) by generator.

        It is the strongest of the levels that model, alignment and training give. A reference frame
        that turns with its input makes any model equivariant; rotated copies and a penalty can only
        teach it. A reference frame that depends on the order of the points breaks the permutation
        symmetry of any model.
        """
        model = completed(self.module.claims(self.hyperparameters()))
        aligner = self.aligner
        frames = completed({g: getattr(aligner, g) for g in GENERATORS if g != "permutation"})
        taught = self._taught()
        claims = {}
        for generator, by_frame in frames.items():
            by_model = "exact" if model[generator] else "no"
            by_training = "learned" if generator in taught else "no"
            claims[generator] = max(by_frame, by_model, by_training, key=LEVELS.index)
        permutation = model["permutation"] and aligner.permutation
        claims["permutation"] = "exact" if permutation else "no"
        return claims

    def _taught(self) -> set[str]:
        """The generators that augmentation or the loss can teach."""
        by_loss = any(self.training.get(name, 0) > 0 for name in ("symmetry_penalty", "copies"))
        if self.augmentation == "rotation" or by_loss:
            return {"rotation", "rotation_z"}
        return {self.augmentation}
