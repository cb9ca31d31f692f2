"""The state that a closed form learned, as the arrays of a safetensors file.

The state is a dict of arrays, or of bytes in a safe format.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from equitraj.base.allowed import nearest
from equitraj.base.files import file_sha256

BYTES = "bytes/"  # prefix of the names under which bytes are stored
TRAINED = "trained/"  # prefix of the names of trained weights in the file of a run


def arrays_of(state: dict[str, np.ndarray | bytes], model: str) -> dict[str, np.ndarray]:
    """Return the state from `fit` of models/{model}.py as arrays; bytes become numbers 0 to 255.

    Raises:
        ValueError: the state is not a dict of arrays and bytes, or has numbers that are not finite.
    """
    returned = f"models/{model}.py: fit returned"
    if not isinstance(state, dict):
        kind = type(state).__name__
        raise ValueError(f"{returned} {kind}; expected a dict of arrays or bytes")
    arrays = {}
    for name, value in state.items():
        if isinstance(value, bytes):
            arrays[BYTES + name] = np.frombuffer(value, np.uint8)
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"{returned} {name!r} of type {type(value).__name__}; expected an array of "
                "numbers, or bytes in a format that runs no code when it is read"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{returned} {name!r}, which is not finite")
        arrays[name] = array
    return arrays


def pretrained(path: str | Path, sha256: str) -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file by name, only the trained ones if it is from a run.

    Raises:
        ValueError: there is no such file, its sha256 differs, or it is not a safetensors file.
    """
    if not Path(path).is_file():
        raise ValueError(f"pretrained.path: {path}: no such file")
    digest = file_sha256(path)
    if digest != sha256.lower():
        difference = f"{path} has {digest}, expected {sha256}"
        raise ValueError(f"pretrained.sha256: {difference}; correct the one or the other")
    try:
        arrays = load_file(path)
    except Exception as error:  # the library raises its own kinds
        raise ValueError(f"pretrained.path: {path}: not a safetensors file ({error})") from error
    trained = {}
    for name, value in arrays.items():
        if name.startswith(TRAINED):
            trained[name.removeprefix(TRAINED)] = value
    return trained or arrays


def check_names(arrays: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Check that arrays have the expected names and shapes.

    Raises:
        ValueError: an array is missing, has another shape or is unexpected; the message names the
            first one.
    """
    for name in expected:
        if name not in arrays:
            raise ValueError(f"pretrained: no array {name!r}; {nearest(name, list(arrays))}")
        shape = arrays[name].shape
        wanted = expected[name].shape
        if shape != wanted:
            raise ValueError(f"pretrained: {name!r} has shape {shape}; expected {wanted}")
    unexpected = sorted(set(arrays) - set(expected))
    if unexpected:
        name = unexpected[0]
        hint = nearest(name, list(expected))
        raise ValueError(f"pretrained: the network has no array {name!r}; {hint}")


def state_of(arrays: dict[str, np.ndarray], dtype: str) -> dict[str, np.ndarray | bytes]:
    """Return the state that is stored as `arrays`; real numbers are cast to `dtype`."""
    state: dict[str, np.ndarray | bytes] = {}
    for name, value in arrays.items():
        if name.startswith(BYTES):
            state[name.removeprefix(BYTES)] = value.tobytes()
        elif value.dtype.kind == "f":
            state[name] = value.astype(dtype)
        else:
            state[name] = value
    return state
