"""Time reversal: shown its own prediction and the past in reverse order, does a method return to
where it came from?"""

from dataclasses import replace

import numpy as np

from equitraj.data.tasks import Sample
from equitraj.symmetry.measure import Measurement, Predict


def time_reversal(
    predict: Predict, sample: Sample, prediction: np.ndarray, lag: int = 1
) -> Measurement | None:
    """f(y, x_K, ..., x_2) against x_1, for y = f(x_1, ..., x_K), as a measurement of one element.

    A method for Newton's equations without friction returns; one for overdamped motion does not,
    nor should it. Where velocities are given, the reversed one is the difference of frames. None
    where history and prediction are not evenly spaced in time.
    """
    if lag > 1 and sample.position.shape[1] > 1:
        return None
    backwards = np.concatenate([prediction[:, None], sample.position[:, :0:-1]], axis=1)
    before = backwards[:, -2] if backwards.shape[1] > 1 else 2 * prediction - sample.position[:, -1]
    velocity = sample.mean_velocity(backwards[:, -1] - before, lag)
    returned = predict(replace(sample, position=backwards, velocity=velocity, target=None))
    found = Measurement(sample, prediction)
    found.add(
        prediction + returned - sample.position[:, 0], np.linalg.norm(prediction, axis=(1, 2))
    )
    return found
