"""A method: model, alignment, augmentation and hyperparameters under one short name, and what it claims."""

from dataclasses import dataclass, field, fields
from types import ModuleType

from equitraj.frames import GENERATORS, load_alignment
from equitraj.registry import load_model, model_spec, nearest
from equitraj.training.options import TrainingOptions


@dataclass(frozen=True)
class Method:
    """Attributes: name; model and alignment, names of files; augmentation, "none" or "rotation"; options, the model's
    hyperparameters; training, the options of the training loop."""

    name: str
    model: str
    alignment: str = "none"
    augmentation: str = "none"
    options: dict = field(default_factory=dict)
    training: dict = field(default_factory=dict)

    @property
    def module(self) -> ModuleType:
        """The model's module."""
        return load_model(self.model)

    @property
    def closed_form(self) -> bool:
        """Whether the model has its own `fit` in place of a training loop."""
        return model_spec(self.model).closed_form

    def hyperparameters(self) -> object:
        """The model's hyperparameters, defaults filled in."""
        return self.module.Hyperparameters(**self.options)

    def training_options(self) -> TrainingOptions:
        """The options of the training loop, defaults filled in.

        Raises:
            ValueError: there is no such option.
        """
        known = [f.name for f in fields(TrainingOptions)]
        for key in self.training:
            if key not in known:
                raise ValueError(f"methods.{self.name}.training: unknown key {key!r}; {nearest(key, known)}")
        return TrainingOptions(**self.training)

    def claims(self) -> dict[str, bool]:
        """Generator to claim: what the model claims, or the alignment makes of it.

        A frame that turns with its input makes any model equivariant; a frame that depends on the order of the points
        takes the permutation away from any model.
        """
        model = self.module.claims(self.hyperparameters())
        alignment = load_alignment(self.alignment).CLAIMS
        either = {g: model[g] or alignment[g] for g in GENERATORS if g != "permutation"}
        return either | {"permutation": model["permutation"] and alignment["permutation"]}
