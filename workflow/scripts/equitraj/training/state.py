"""What a closed form learned: named arrays, or bytes in a safe format, as arrays of a safetensors
file and back."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from equitraj.base.allowed import nearest
from equitraj.base.files import file_sha256

BYTES = "bytes/"  # what is stored under such a name was bytes


def arrays_of(state: dict[str, np.ndarray | bytes], model: str) -> dict[str, np.ndarray]:
    """The state that `fit` of models/{model}.py returned, as arrays; bytes become numbers from 0 to
    255.

    Raises:
        ValueError: not a dict of arrays and bytes, or numbers that are not finite.
    """
    if not isinstance(state, dict):
        raise ValueError(
            f"models/{model}.py: fit returned {type(state).__name__}; expected a dict of arrays or bytes"
        )
    arrays = {}
    for name, value in state.items():
        if isinstance(value, bytes):
            arrays[BYTES + name] = np.frombuffer(value, np.uint8)
            continue
        arrays[name] = np.asarray(value)
        if arrays[name].dtype.kind not in "biuf":
            raise ValueError(
                f"models/{model}.py: fit returned {name!r} of type {type(value).__name__}; expected an array of "
                "numbers, or bytes in a format that runs no code when it is read"
            )
        if not np.isfinite(arrays[name]).all():
            raise ValueError(f"models/{model}.py: fit returned {name!r}, which is not finite")
    return arrays


def pretrained(path: str | Path, sha256: str) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file, by name; of a run's model.safetensors the trained ones.

    Raises:
        ValueError: no such file, another sha256, or no safetensors file.
    """
    if not Path(path).is_file():
        raise ValueError(f"pretrained.path: {path}: no such file")
    if (found := file_sha256(path)) != sha256.lower():
        raise ValueError(
            f"pretrained.sha256: {path} has {found}, expected {sha256}; correct the one or the other"
        )
    try:
        arrays = load_file(path)
    except Exception as error:  # the library raises its own kinds
        raise ValueError(f"pretrained.path: {path}: not a safetensors file ({error})") from error
    trained = {
        name.removeprefix("trained/"): value
        for name, value in arrays.items()
        if name.startswith("trained/")
    }
    return trained or arrays


def check_names(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    """Raise ValueError that names the first array that is missing, not expected, or of another
    shape."""
    for name in expected:
        if name not in found:
            raise ValueError(f"pretrained: no array {name!r}; {nearest(name, list(found))}")
        if found[name].shape != expected[name].shape:
            raise ValueError(
                f"pretrained: {name!r} has shape {found[name].shape}; expected {expected[name].shape}"
            )
    if more := sorted(set(found) - set(expected)):
        raise ValueError(
            f"pretrained: the network has no array {more[0]!r}; {nearest(more[0], list(expected))}"
        )


def state_of(arrays: dict[str, np.ndarray], dtype: str) -> dict[str, np.ndarray | bytes]:
    """The state that was stored as `arrays`; real numbers are cast to `dtype`."""
    bytes_ = {
        name.removeprefix(BYTES): value.tobytes()
        for name, value in arrays.items()
        if name.startswith(BYTES)
    }
    others = {name: value for name, value in arrays.items() if not name.startswith(BYTES)}
    return bytes_ | {
        name: v.astype(dtype) if v.dtype.kind == "f" else v for name, v in others.items()
    }
