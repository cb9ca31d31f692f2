"""What the heads of tables mean, for whoever points at them."""

CHANGE = (
    "transformed prediction less prediction of the transformed input, over the predicted motion"
)
GLOSSARY = {
    "task": "data, how many past frames a model sees, and how far ahead it predicts",
    "method": "model, alignment, augmentation and hyperparameters under one name",
    "route": "what a method does about symmetry that the method beside it does not",
    "without it": "the same model without this route; what the factors are relative to",
    "error": "mean square error on the test split as it is, geometric mean over seeds",
    "rotated": "the same with every test sample turned by a random rotation",
    "times smaller": "error without the route over error with it, of the same seeds; below it the interval",
    "data factor": "how many times as many training samples the same error takes without the route",
    "error as given": "mean square error on the test split, geometric mean over seeds",
    "error rotated": "the same with every test sample turned by a random rotation",
    "times smaller, as given": "error without the route over error with it, of the same seeds; below it the interval",
    "times smaller, rotated": "the same on rotated test samples",
    "data factor, as given": "how many times as many training samples the same error takes without the route",
    "data factor, rotated": "the same on rotated test samples",
    "skill against no motion": "1 - MSE / MSE of no motion: 1 is perfect, 0 no better, below 0 worse",
    "skill against constant velocity": "1 - MSE / MSE of constant velocity",
    "median MSE": "median over test samples of the mean square error of each; mean over seeds",
    "worst 5 % (%)": "share of the summed square error in the worst 5 % of samples; 5 if all go alike",
    "published method": "a method as its authors call it; it was not run here",
    "published MSE": "mean square error as the source prints it",
    "of its kind here": "the method of this study, of the largest training size, that is of the same kind",
    "its test MSE": "mean square error on the test split, mean over seeds",
    "printed in": "authors, venue, year and table",
    "seeds": "trainings from different random numbers, and how they ended",
    "K": "past frames that a method sees, the newest included",
    "training samples": "samples that were trained on",
    "parameters": "numbers that were learned",
    "training time (s)": "mean over seeds, compilation left out",
    "weights": "fresh or trained",
    "transformation": "what is done to the input",
    "precision": "floating-point numbers that the method computed with",
    "relative change, mean": CHANGE,
    "relative change": CHANGE,
    "95th percentile": "of the relative change over samples and transformations",
    "maximum": "of the relative change over samples and transformations",
    "lack of symmetry, share of loss (%)": "part of the test error that an average over transformations would remove",
    "noise floor": "relative change that rounding alone makes",
    "verdict": "exact: rounding only; broken: more than 1 %; approximate: between",
    "claimed": "what the method says of itself",
    "claim and verdict agree": "no: the method claims what it does not have",
    "control": "a predictor built to pass or to fail the audit",
    "expected": "the verdict that the control must get",
    "alignment": "how a sample is put into a frame of its own",
    "jump rate (per step)": "how often the frame flips from one time to the next",
    "perturbation gain": "how much of one point's motion is passed on to the others",
    "statistic": "energy distance between the frames and the same frames turned at random",
    "p value": "chance of a statistic this large if the data had no orientation",
    "split": "part of the data",
    "samples": "number of samples",
    "error in A": "mean square error on the test split as it is, geometric mean over seeds",
    "error in B": "mean square error on the test split as it is, geometric mean over seeds",
    "rotated in A": "the same on rotated test samples",
    "rotated in B": "the same on rotated test samples",
    "B over A": "error in B over error in A, below 1 where B is better; below it the 95 % interval",
    "B over A, rotated": "the same on rotated test samples",
    "p": "chance of such a ratio without a difference, corrected by Holm's method at the largest training size",
    "p, rotated": "the same on rotated test samples",
}


def meaning(head: str) -> str:
    """What a head says, "" where nothing explains it."""
    plain = head.replace("\u00ad", "")
    if plain.startswith("test MSE"):
        turned = ", every sample turned by a random rotation" if "rotated" in plain else ""
        return f"mean square error over test samples, points and coordinates{turned}; below it the 95 % interval"
    return GLOSSARY.get(plain) or GLOSSARY.get(plain.rpartition(" (")[0], "")  # without the unit
