"""The terms of the audit: what a method can claim, how strongly, and when a claim holds."""

GENERATORS = ("rotation", "reflection", "translation", "permutation")
# What follows from one of these, and may be claimed without it: rotations about the third axis.
IMPLIED_BY = {"rotation_z": "rotation"}
# How a method comes by a symmetry, the weakest first: not at all; taught by rotated copies or by a
# penalty in the loss; exact for the mean over its own random draws; exact.
LEVELS = ("no", "learned", "in expectation", "exact")
CLAIMED = ("exact", "in expectation")  # the levels of a claim that an audit can refute
EXACT_FACTOR = 10.0  # an error within this many noise floors is rounding
BROKEN = 1e-2  # an error of a hundredth of the predicted motion is visible in a picture


def completed(claims: dict) -> dict:
    """Add the claims that follow from others to the claims by generator."""
    implied = {weaker: claims[stronger] for weaker, stronger in IMPLIED_BY.items()}
    return implied | claims


def is_as_expected(verdict: str, expected: str) -> bool:
    """Whether a control has the verdict that it must have; "not exact" stands for any but exact."""
    if expected == "not exact":
        return verdict != "exact"
    return verdict == expected
