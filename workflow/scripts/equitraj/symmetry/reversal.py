"""Time reversal: does a method return to its origin from its prediction and the reversed past?"""

from dataclasses import replace

import numpy as np

from equitraj.data.tasks import Sample
from equitraj.symmetry.measure import Measurement, Predict, frobenius


def time_reversal(
    predict: Predict, sample: Sample, prediction: np.ndarray, lag: int = 1
) -> Measurement | None:
    """Compare f(y, x_K, ..., x_2) with x_1, for y = f(x_1, ..., x_K), as one element.

    A method for Newton's equations without friction returns to x_1. A method for overdamped motion
    does not, and need not. If the method uses velocities, the reversed velocity is the difference
    of frames. The result is None where history and prediction are not evenly spaced in time.
    """
    position = sample.position
    if lag > 1 and position.shape[1] > 1:
        return None
    backwards = np.concatenate([prediction[:, None], position[:, :0:-1]], axis=1)
    if backwards.shape[1] > 1:
        before = backwards[:, -2]
    else:
        before = 2 * prediction - sample.newest
    velocity = sample.mean_velocity(backwards[:, -1] - before, lag)
    reversed_sample = replace(sample, position=backwards, velocity=velocity, target=None)
    returned = predict(reversed_sample)
    measurement = Measurement(sample, prediction)
    magnitude = frobenius(prediction)
    measurement.add(prediction + returned - position[:, 0], magnitude)
    return measurement
