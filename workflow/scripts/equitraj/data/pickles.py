"""Pickles of strangers as NumPy archives: arrays of numbers and plain containers are read, nothing
is ever called.

A pickle is a program: it names functions and calls them. Here each name stands for a function of
this file, which does no more than keep what an array is made of, and any other name is refused. So
nothing of NumPy's own pickling is run, nor of any class. Beside that, the pickle is read in a
process that can do nothing else (`base/sandbox.py`).
Reference: Python's documentation of `pickle`, Restricting Globals.
"""

import errno
import json
import math
import os
import pickle
import re
import sys
from collections import OrderedDict
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from equitraj.base import sandbox
from equitraj.base.files import atomic
from equitraj.base.sandbox import MIB, Limits

NUMBERS = re.compile(r"[<>|=]?([biufcSU]\d{1,6}|\?)")
OBJECTS = re.compile(r"\|?O\d?")
DEEPEST = 4  # axes of an array given as lists in lists
SHOWN = 8  # parts of each container in a description
PLAIN = (list, tuple, dict, set, frozenset)


class Dtype:
    """What `numpy.dtype` is called with, and its byte order."""

    def __init__(self, text: object, *_: object) -> None:
        if not isinstance(text, str) or not (NUMBERS.fullmatch(text) or OBJECTS.fullmatch(text)):
            raise pickle.UnpicklingError(f"values of type {str(text)[:40]!r}; expected numbers")
        self.text = text

    def __setstate__(self, state: object) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("a damaged type of numbers")
        self.text = self.text if order == "|" else order + self.text.lstrip("<>|=")


class Array:
    """What an array is made of; `value` has it once all is read."""

    value: np.ndarray | list | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (_, tuple(shape), Dtype() as dtype, bool(by_columns), data) | (
                tuple(shape),
                Dtype() as dtype,
                bool(by_columns),
                data,
            ):
                self.fill(shape, dtype, by_columns, data)
            case _:
                raise pickle.UnpicklingError("a damaged array")

    def fill(self, shape: tuple, dtype: Dtype, by_columns: bool, data: object) -> None:
        """Keep the values, if they are as many as the shape says."""
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise pickle.UnpicklingError("an array without a shape")
        if OBJECTS.fullmatch(dtype.text):
            if not isinstance(data, list) or len(data) != math.prod(shape):
                raise pickle.UnpicklingError("a damaged array of objects")
            if by_columns and len(shape) > 1:
                raise pickle.UnpicklingError("objects in the order of columns; save it as numbers")
            self.value = _nested(data, shape)
            return
        data = data.encode("latin1") if isinstance(data, str) else data  # of Python 2
        kind = np.dtype(dtype.text)
        if not isinstance(data, bytes | bytearray) or len(data) != math.prod(shape) * kind.itemsize:
            raise pickle.UnpicklingError("an array whose values are not as many as its shape says")
        self.value = np.frombuffer(data, kind).reshape(shape, order="F" if by_columns else "C")


def _nested(data: list, shape: tuple[int, ...]) -> list:
    """Objects of a shape as lists in lists."""
    if len(shape) < 2 or not data:
        return data
    step = len(data) // shape[0]
    return [_nested(data[i : i + step], shape[1:]) for i in range(0, len(data), step)]


def _reconstruct(*_: object) -> Array:
    return Array()


def _from_buffer(data: object, dtype: Dtype, shape: tuple, order: str) -> Array:
    array = Array()
    array.__setstate__(
        (shape, dtype, order == "F", bytes(data) if isinstance(data, bytearray) else data)
    )
    return array


def _scalar(dtype: Dtype, data: object) -> Array:
    array = Array()
    array.__setstate__(((), dtype, False, data))
    return array


def _encode(text: str, encoding: str) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text in {str(encoding)[:40]!r}")
    return text.encode("latin1")


def _bytes() -> bytes:
    """Of nothing: what is not empty has a code of its own, or is encoded."""
    return b""


def _bytearray(*given: object) -> bytearray:
    """Of bytes only: of a number it would be as long as that."""
    if given and not isinstance(given[0], bytes):
        raise pickle.UnpicklingError("a bytearray of no bytes")
    return bytearray(*given[:1])


def _container(kind: type) -> object:
    def make(*given: object) -> object:
        if len(given) > 1 or (given and not isinstance(given[0], PLAIN)):
            raise pickle.UnpicklingError(f"a damaged {kind.__name__}")
        return kind(*given)

    return make


NDARRAY = "numpy.ndarray"  # named by pickles as an argument, and never called
KNOWN = {("numpy", "ndarray"): NDARRAY, ("numpy", "dtype"): Dtype, ("_codecs", "encode"): _encode}
KNOWN |= {("collections", "OrderedDict"): _container(OrderedDict)}
for builtins in ("builtins", "__builtin__"):
    KNOWN |= {(builtins, kind.__name__): _container(kind) for kind in PLAIN}
    KNOWN |= {(builtins, "bytearray"): _bytearray, (builtins, "bytes"): _bytes}
for core in ("numpy.core", "numpy._core"):
    KNOWN |= {
        (f"{core}.multiarray", "_reconstruct"): _reconstruct,
        (f"{core}.multiarray", "scalar"): _scalar,
    }
    KNOWN |= {(f"{core}.numeric", "_frombuffer"): _from_buffer}


class Reader(pickle.Unpickler):
    """An unpickler that knows the names in `KNOWN` only."""

    def find_class(self, module: str, name: str) -> object:
        """What a name of the pickle stands for.

        Raises:
            UnpicklingError: any name that is not known.
        """
        if (module, name) not in KNOWN:
            advice = (
                "; save tensors as arrays, with .numpy()"
                if module.partition(".")[0] == "torch"
                else ""
            )
            raise pickle.UnpicklingError(
                f"it names {f'{module}.{name}'[:100]}, which is not read: only arrays are{advice}"
            )
        return KNOWN[module, name]


def read(file: BinaryIO) -> object:
    """What a pickle holds: containers, numbers, words, and `Array` where it has arrays.

    Raises:
        UnpicklingError: it names anything that is not known here, or is damaged.
    """
    return Reader(file, encoding="latin1").load()


def at(tree: object, path: str) -> object:
    """The part of a tree under keys and positions separated by `/`.

    Raises:
        ValueError: there is none, with what there is.
    """
    found = tree
    for key in filter(None, path.split("/")):
        found = found.value if isinstance(found, Array) and isinstance(found.value, list) else found
        children = _children(found)
        if key not in children:
            raise ValueError(f"nothing under {path!r}; it holds\n{described(tree)}")
        found = children[key]
    return found


def _children(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return {str(key): child for key, child in value.items() if isinstance(key, str | int)}
    return (
        {str(i): child for i, child in enumerate(value)} if isinstance(value, list | tuple) else {}
    )


def numbers(value: object, depth: int = DEEPEST) -> np.ndarray:
    """A part of the tree as an array of numbers or words.

    Raises:
        ValueError: it is none, or lists in it differ in length.
    """
    if isinstance(value, Array) and isinstance(value.value, list):
        value = value.value
    if isinstance(value, Array) and value.value is not None:
        return value.value
    if (
        isinstance(value, bool | int | float | str) and np.array(value).dtype.kind in "biufU"
    ):  # a long int is an object
        return np.array(value)
    if isinstance(value, list | tuple | set | frozenset) and value and depth:
        return np.stack([numbers(each, depth - 1) for each in value])
    raise ValueError(f"{_word(value)} is no array of numbers")


def joined(value: object) -> tuple[np.ndarray, np.ndarray | None]:
    """An array; or arrays that differ in length, one after another, and for each row the number of
    the one it is of."""
    if isinstance(value, Array) and isinstance(value.value, list):
        value = value.value
    try:
        return numbers(value), None
    except ValueError:
        if not isinstance(value, list | tuple) or not value:
            raise
    parts = [numbers(each) for each in value]
    return np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])


def described(tree: object, path: str = "", depth: int = 3) -> str:
    """What a tree holds, a line for each part."""
    children = list(_children(tree).items()) if depth else []
    inner = [
        described(child, f"{path}/{key}".lstrip("/"), depth - 1) for key, child in children[:SHOWN]
    ]
    more = [f"  {path}: and {len(children) - SHOWN} more"] if len(children) > SHOWN else []
    return "\n".join([f"  {path or 'all'}: {_word(tree)}", *inner, *more])


def _word(value: object) -> str:
    if isinstance(value, Array) and isinstance(value.value, np.ndarray):
        return f"array {value.value.shape} of {value.value.dtype}"
    return (
        f"{type(value).__name__} of {len(value)}"
        if isinstance(value, PLAIN)
        else type(value).__name__
    )


def convert(
    path: Path, output: Path, arrays: dict[str, str], limits: Limits | None = None
) -> list[str]:
    """Write parts of a pickle, named as in `arrays` of a source, to a NumPy archive, and give the
    names in it.

    A list of positions that differ in length becomes one array with the `episode` of each frame.

    Raises:
        ValueError: it holds anything but arrays, numbers, words and plain containers, or takes too
            much to read; or no part is named, with what there is.
    """
    size = path.stat().st_size
    limits = limits or Limits(memory_mib=2048 + 6 * size // MIB)
    try:
        with path.open("rb") as source, atomic(output) as temporary, temporary.open("wb") as target:
            sandbox.run("equitraj.data.pickles", [json.dumps(arrays)], source, target, limits)
            target.flush()
            with np.load(temporary, allow_pickle=False) as archive:
                return archive.files
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def main() -> None:
    """Read a pickle from standard input, write an archive to standard output; what is wrong is a
    message of text."""
    *given, asked = sys.argv[1:]
    np.savez(BytesIO(), x=np.zeros(1))  # now, because no module can be loaded later
    limits = Limits(*map(int, given))
    sandbox.close(limits)
    try:
        _write(json.loads(asked), sys.stdin.buffer, sys.stdout.buffer)
    except MemoryError:
        _fail(f"it takes more than {limits.memory_mib} MiB of memory")
    except OSError as error:
        _fail(
            f"it makes more than {limits.output_mib} MiB"
            if error.errno == errno.EFBIG
            else str(error)
        )
    except Exception as error:  # whatever a damaged pickle raises
        known = isinstance(error, ValueError | pickle.UnpicklingError)
        _fail(str(error) if known else f"not a readable pickle ({type(error).__name__}: {error})")


def _write(asked: dict[str, str], source: BinaryIO, target: BinaryIO) -> None:
    tree = read(source)
    if not asked:
        raise ValueError(
            f"say with --array which part is what, as in --array position=1; it holds\n{described(tree)}"
        )
    found: dict[str, np.ndarray] = {}
    for name, path in asked.items():
        try:
            found[name], episode = joined(at(tree, path))
        except ValueError as error:
            raise ValueError(f"--array {name}={path}: {error}") from error
        if name == "position" and episode is not None:
            found["episode"] = episode
    np.savez(target, **found)


def _fail(message: str) -> None:
    shown = "".join(each if each.isprintable() or each == "\n" else "?" for each in message)
    print(shown, file=sys.stderr, flush=True)
    os._exit(1)  # without another try to write what is left of the output


if __name__ == "__main__":
    main()
