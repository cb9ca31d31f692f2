"""The options that every training loop understands."""

from dataclasses import dataclass
from typing import Annotated, Literal

from equitraj.base.allowed import Checked, Range


@dataclass(frozen=True)
class TrainingOptions(Checked):
    """How a network is trained, whatever its framework.

    Attributes:
        epochs: passes over the whole training split, at most; 0 keeps the first weights, as for a
        pretrained model. Of fewer training samples an epoch has as many steps: it sees each of them
            more often, so that all training sizes have one budget.
        batch_size: samples in a step; the last, incomplete batch of an epoch is left out.
        learning_rate: of AdamW at the end of the warm-up; it then falls to zero along a cosine.
        warmup: fraction of all steps during which the learning rate rises from zero.
        schedule: "cosine" or "constant".
        weight_decay: of AdamW.
        clip: largest norm of the gradient.
        huber: error, in units of the typical residual, beyond which the training loss grows
            linearly in place of quadratically, so that rare events do not decide the fit (Huber,
            1964); 0 for squares throughout.
        symmetry_penalty: weight in the loss of |R^T f(R x) - f(x)|^2, f the network's output in its
            own units, for a random rotation R of each sample (REMUL: Elhag et al.,
            arXiv:2410.17878); 0 for none.
        copies: rotated copies of each training sample, each by a random rotation that stays; a step
            takes the sample or one of them. 0 for none; `augmentation: rotation` turns every sample
            anew in each step.
        pushforward: steps that a sample may be led on by the network itself, at random up to so
            many, before the step that counts (Brandstetter et al., ICLR 2022), so that rollouts are
            part of training; 0 for none.
        ema: decay of the moving average of the weights that is validated and kept; 0 keeps the
        weights themselves.
        patience: epochs without a better validation error after which training stops; 0 never
        stops.
        residual: what the network's output is added to: "none", the "last" frame, constant
            "velocity", the best linear "autoregression" on displacements, or "auto": velocity where
            there is a history, else the last frame.
        precision: "float32" or "float64", of training.
        matmul_precision: of matrix products in float32 on a GPU, in training alone: "float32",
            "tensorfloat32" or "bfloat16".
        time_limit: seconds after which the run is recorded as a timeout; 0 for none.
        checkpoint_seconds: seconds between two checkpoints, from which a killed training resumes.
    """

    epochs: Annotated[int, Range(0, 1_000_000)] = 100
    batch_size: Annotated[int, Range(1, 1_000_000)] = 64
    learning_rate: Annotated[float, Range(above=0)] = 1e-3
    warmup: Annotated[float, Range(0, below=1)] = 0.05
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: Annotated[float, Range(0)] = 0.0
    clip: Annotated[float, Range(above=0)] = 1.0
    huber: Annotated[float, Range(0)] = 0.0
    symmetry_penalty: Annotated[float, Range(0)] = 0.0
    copies: Annotated[int, Range(0, 1024)] = 0
    pushforward: Annotated[int, Range(0, 1024)] = 0
    ema: Annotated[float, Range(0, below=1)] = 0.99
    patience: Annotated[int, Range(0, 1_000_000)] = 0
    residual: Literal["auto", "none", "last", "velocity", "autoregression"] = "auto"
    precision: Literal["float32", "float64"] = "float32"
    matmul_precision: Literal["float32", "tensorfloat32", "bfloat16"] = "float32"
    time_limit: Annotated[float, Range(0)] = 0.0
    checkpoint_seconds: Annotated[float, Range(0)] = 30.0

    def batches(self, capacity: int) -> int:
        """Steps in an epoch, where the whole training split has `capacity` samples."""
        return max(1, capacity // self.batch_size)
