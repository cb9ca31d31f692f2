"""The options that every training loop understands."""

from dataclasses import dataclass

CHOICES = {
    "schedule": ("cosine", "constant"),
    "residual": ("auto", "none", "last", "velocity", "autoregression"),
    "precision": ("float32", "float64"),
}
POSITIVE = ("epochs", "batch_size", "learning_rate", "clip")
NOT_NEGATIVE = ("huber", "symmetry_penalty", "weight_decay")


@dataclass(frozen=True)
class TrainingOptions:
    """How a network is trained, whatever its framework.

    Attributes:
        epochs: passes over the training samples, at most.
        batch_size: samples in a step; the last, incomplete batch of an epoch is left out.
        learning_rate: of AdamW at the end of the warm-up; it then falls to zero along a cosine.
        warmup: fraction of all steps during which the learning rate rises from zero.
        schedule: "cosine" or "constant".
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        huber: error, in units of the typical residual, beyond which the training loss grows linearly in place of
            quadratically, so that rare events do not decide the fit (Huber, 1964); 0 for squares throughout.
        symmetry_penalty: weight in the loss of |R^T f(R x) - f(x)|^2, f the network's output in its own units, for a
            random rotation R of each sample (REMUL: Elhag et al., arXiv:2410.17878); 0 for none.
        ema: decay of the moving average of the weights that is validated and kept; 0 keeps the weights themselves.
        patience: epochs without a better validation error after which training stops; 0 never stops.
        residual: what the network's output is added to: "none", the "last" frame, constant "velocity", the best linear
            "autoregression" on displacements, or "auto": velocity where there is a history, else the last frame.
        precision: "float32" or "float64", of training.
        time_limit: seconds after which the run is recorded as a timeout; 0 for none.
        checkpoint_seconds: seconds between two checkpoints, from which a killed training resumes.
    """

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    warmup: float = 0.05
    schedule: str = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    huber: float = 0.0
    symmetry_penalty: float = 0.0
    ema: float = 0.99
    patience: int = 0
    residual: str = "auto"
    precision: str = "float32"
    time_limit: float = 0.0
    checkpoint_seconds: float = 30.0
