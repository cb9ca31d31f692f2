"""The options that every training loop understands."""

from dataclasses import dataclass
from typing import Annotated, Literal

from equitraj.base.allowed import Checked, Range


@dataclass(frozen=True)
class TrainingOptions(Checked):
    """The options of training, the same for every framework.

    Attributes:
        epochs: largest number of passes over the whole training split; 0 keeps the first weights,
            for instance of a pretrained model. With fewer training samples an epoch has the same
            number of steps and sees each sample more often, so that all training sizes have one
            budget.
        batch_size: samples in a step; the last, incomplete batch of an epoch is left out.
        learning_rate: learning rate of AdamW at the end of the warm-up; it then falls to zero along
            a cosine.
        warmup: fraction of all steps during which the learning rate rises from zero.
        schedule: "cosine" or "constant".
        weight_decay: weight decay of AdamW.
        clip: largest norm of the gradient.
        huber: error, in units of the typical residual, above which the training loss grows linearly
            instead of quadratically, so that rare events do not dominate the fit (Huber, 1964); 0
            for the squared error.
        symmetry_penalty: weight of |R^T f(R x) - f(x)|^2 in the loss, where f is the network's
            output in its own units and R a random rotation of each sample (REMUL: Elhag et al.,
            arXiv:2410.17878); 0 for none.
        copies: number of rotated copies of each training sample, each by a fixed random rotation; a
            step takes the sample or one of its copies. 0 for none; with `augmentation: rotation`
            every step draws a new rotation of each sample.
        pushforward: largest number of steps by which the network's own predictions move a sample
            ahead before the step that is trained (Brandstetter et al., ICLR 2022), so that rollouts
            are part of training; the number is random. 0 for none.
        ema: decay of the moving average of the weights, which is validated and kept; 0 keeps the
            weights themselves.
        patience: epochs without a better validation error after which training stops; 0 never
            stops.
        residual: the extrapolation that the network's output is added to: "none", the "last" frame,
            constant "velocity", the best linear "autoregression" on displacements, or "auto", which
            is "velocity" where there is a history and "last" elsewhere.
        precision: precision of training, "float32" or "float64".
        matmul_precision: precision of matrix products in training in float32 on a GPU: "float32",
            "tensorfloat32" or "bfloat16".
        time_limit: seconds after which a run ends with the status timeout; 0 for no limit.
        checkpoint_seconds: seconds between two checkpoints, from which an interrupted training
            resumes.
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
        """Return the steps in an epoch if the whole training split has `capacity` samples."""
        n_batches = capacity // self.batch_size
        return max(1, n_batches)
