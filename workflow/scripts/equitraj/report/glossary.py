"""The project's terms, and explanations of the column heads of tables.

The report shows an explanation to a reader who points at a column head; docs/glossary.md lists all.
"""

MSE = "mean square error on the test split"
TYPICAL_MSE = f"{MSE}, geometric mean over seeds"
ROTATED = "the same after a random rotation of each test sample"
CHANGE = (
    "transformed prediction minus prediction of the transformed input, over the predicted motion"
)
TIMES_SMALLER = "error without the route over error with it, for the same seeds, with its interval"
DATA_FACTOR = "ratio of the training samples that the same error takes without and with the route"
OF_CHANGES = "of the relative change over samples and transformations"
TERMS = {
    "frame": "one time step of a trajectory: the positions of all points at one time",
    "reference frame": "the origin and the axes in which positions are given",
    "alignment": "a rule that chooses a reference frame for each sample",
    "trajectory": "positions of the same points over time, (T, N, 3), with what the points carry",
    "episode": "a part of a trajectory without gaps, such as one simulation",
    "sample": "K past frames, which a method sees, and the future frame that it predicts",
    "history": "K, the number of past frames in a sample",
    "lag": "the number of frames between the newest past frame and the predicted one",
    "split": "the division of samples into training, validation and test",
    "batch": "the samples of one step of the optimiser",
    "method": "model, alignment, augmentation and hyperparameters under one name",
    "run": "one training of a method on a task, with one training size and one seed",
    "record": "the checksum and the command that are stored with every file",
    "route": "the treatment of symmetry in which a method differs from the compared one",
    "claim": "a symmetry that a method states to have; the audit tests it",
    "verdict": "what the audit measured: exact, approximate or broken",
    "noise floor": "the change of a prediction that rounding alone causes",
    "irreducible error": "the smallest error that any method can reach on a task",
    "skill": "1 - MSE / MSE of a baseline: 1 is perfect, 0 equals the baseline",
}
GLOSSARY = {
    "task": "the data, the number of past frames in the input, and how far ahead to predict",
    "method": TERMS["method"],
    "route": TERMS["route"],
    "without it": "the same model without this route, the reference of the factors",
    "error": TYPICAL_MSE,
    "rotated": ROTATED,
    "times smaller": TIMES_SMALLER,
    "data factor": DATA_FACTOR,
    "error as given": TYPICAL_MSE,
    "error rotated": ROTATED,
    "times smaller, as given": TIMES_SMALLER,
    "times smaller, rotated": "the same on rotated test samples",
    "data factor, as given": DATA_FACTOR,
    "data factor, rotated": "the same on rotated test samples",
    "skill against no motion": (
        "1 - MSE / MSE of no motion: 1 is perfect, 0 is equal to it, below 0 is worse"
    ),
    "skill against constant velocity": "1 - MSE / MSE of constant velocity",
    "median MSE": "median of the mean square errors of the test samples, mean over seeds",
    "worst 5 % (%)": (
        "share of the worst 5 % of samples in the summed square error; 5 if all are equal"
    ),
    "published method": "a method under the name that its authors use; it was not run here",
    "published MSE": "mean square error as printed in the source",
    "of its kind here": "the comparable method of this study, with the largest training size",
    "its test MSE": f"{MSE}, mean over seeds",
    "printed in": "authors, venue, year and table",
    "seeds": "trainings with different random numbers, and how they ended",
    "K": "number of past frames in the input, including the newest",
    "training samples": "number of samples in the training",
    "parameters": "number of learned parameters",
    "training time (s)": "mean over seeds, without compilation",
    "weights": "fresh or trained",
    "transformation": "the change of the input",
    "precision": "floating-point numbers of the computation",
    "relative change, mean": CHANGE,
    "relative change": CHANGE,
    "95th percentile": OF_CHANGES,
    "maximum": OF_CHANGES,
    "lack of symmetry, share of loss (%)": (
        "part of the test error that an average over transformations would remove"
    ),
    "noise floor": "relative change due to rounding alone",
    "verdict": "exact: rounding only; broken: more than 1 %; approximate: between",
    "claimed": "the symmetry that the method claims",
    "claim and verdict agree": "no: the method claims a symmetry that it does not have",
    "control": "a predictor that is built to pass or to fail the audit",
    "expected": "the verdict that the control must get",
    "alignment": "the rule that gives each sample its own reference frame",
    "jump rate (per step)": "how often the reference frame flips from one time to the next",
    "perturbation gain": "how much of the motion of one point is passed on to the others",
    "statistic": "energy distance between the frames and the same frames after random rotations",
    "p value": "probability of a statistic this large if the data had no orientation",
    "split": "part of the data",
    "samples": "number of samples",
    "error in A": TYPICAL_MSE,
    "error in B": TYPICAL_MSE,
    "rotated in A": "the same on rotated test samples",
    "rotated in B": "the same on rotated test samples",
    "B over A": "error in B over error in A, below 1 where B is better, with its 95 % interval",
    "B over A, rotated": "the same on rotated test samples",
    "p": (
        "probability of a ratio this far from 1 without a difference, corrected by Holm's method "
        "at the largest training size"
    ),
    "p, rotated": "the same on rotated test samples",
}


def meaning(head: str) -> str:
    """The explanation of a column head, "" without one."""
    plain = head.replace("\u00ad", "")
    if plain.startswith("test MSE"):
        rotation = ""
        if "rotated" in plain:
            rotation = ", after a random rotation of each sample"
        return (
            f"mean square error over test samples, points and coordinates{rotation}, with its "
            "95 % interval"
        )
    without_unit, _, _ = plain.rpartition(" (")
    return GLOSSARY.get(plain) or GLOSSARY.get(without_unit, "")
