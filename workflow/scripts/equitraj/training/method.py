"""A method: model, alignment, augmentation and hyperparameters under one short name, and what it claims."""

from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType

from equitraj.base import allowed
from equitraj.base.claims import GENERATORS, LEVELS
from equitraj.base.registry import check_values, load_model, model_spec
from equitraj.data.features import Shape
from equitraj.frames import Base, load_alignment
from equitraj.training.options import TrainingOptions


@dataclass(frozen=True)
class Method:
    """Attributes: name; model, name of a file; alignment, its name; augmentation, "none" or "rotation"; options, the
    model's hyperparameters; training, the options of the training loop; frames, the file of the alignment (that of its
    name where it is empty), and frame_options, its options."""

    name: str
    model: str
    alignment: str = "none"
    augmentation: str = "none"
    options: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)
    frames: str = ""
    frame_options: dict = field(default_factory=dict)

    @property
    def module(self) -> ModuleType:
        """The model's module."""
        return load_model(self.model)

    @property
    def aligner(self) -> Base:
        """The alignment, with its options."""
        return load_alignment(self.frames or self.alignment, self.frame_options)

    @property
    def closed_form(self) -> bool:
        """Whether the model has its own `fit` in place of a training loop."""
        return model_spec(self.model).closed_form

    def hyperparameters(self) -> object:
        """The model's hyperparameters, defaults filled in."""
        return self.module.Hyperparameters(**self.options)

    def build(self, shape: Shape, *key: object) -> object:
        """The network for samples of this shape, in its learned frame if it has one; `key` for JAX, none for torch."""
        network, aligner = self.module.build(self.hyperparameters(), shape, *key), self.aligner
        if not aligner.learned:
            return network
        canonical = import_module(f"equitraj.frames.canonical.{model_spec(self.model).framework}")
        return canonical.wrap(network, aligner.width, shape, *key)

    def training_options(self) -> TrainingOptions:
        """The options of the training loop, defaults filled in.

        Raises:
            ValueError: there is no such option, or a value is not allowed.
        """
        check_values(f"methods.{self.name}.training", self.training, allowed.options(TrainingOptions))
        return TrainingOptions(**self.training)

    def claims(self) -> dict[str, str]:
        """Generator to level (see `claims.LEVELS`): the strongest of what model, alignment and training give it.

        A frame that turns with its input makes any model equivariant; rotated copies and a penalty can only teach it. A
        frame that depends on the order of the points takes the permutation away from any model.
        """
        model, aligner = self.module.claims(self.hyperparameters()), self.aligner
        taught = self.augmentation == "rotation" or self.training.get("symmetry_penalty", 0) > 0
        level = {g: [getattr(aligner, g), "exact" if model[g] else "no"] for g in GENERATORS if g != "permutation"}
        level["rotation"].append("learned" if taught else "no")
        claimed = {g: max(levels, key=LEVELS.index) for g, levels in level.items()}
        return claimed | {"permutation": "exact" if model["permutation"] and aligner.permutation else "no"}
