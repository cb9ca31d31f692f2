"""What a closed form learned: named arrays, or bytes in a safe format, as arrays of a safetensors file and back."""

import numpy as np

BYTES = "bytes/"  # what is stored under such a name was bytes


def arrays_of(state: dict[str, np.ndarray | bytes], model: str) -> dict[str, np.ndarray]:
    """The state that `fit` of models/{model}.py returned, as arrays; bytes become numbers from 0 to 255.

    Raises:
        ValueError: not a dict of arrays and bytes, or numbers that are not finite.
    """
    if not isinstance(state, dict):
        raise ValueError(f"models/{model}.py: fit returned {type(state).__name__}; expected a dict of arrays or bytes")
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


def state_of(arrays: dict[str, np.ndarray], dtype: str) -> dict[str, np.ndarray | bytes]:
    """The state that was stored as `arrays`; real numbers are cast to `dtype`."""
    bytes_ = {name.removeprefix(BYTES): value.tobytes() for name, value in arrays.items() if name.startswith(BYTES)}
    others = {name: value for name, value in arrays.items() if not name.startswith(BYTES)}
    return bytes_ | {name: v.astype(dtype) if v.dtype.kind == "f" else v for name, v in others.items()}
