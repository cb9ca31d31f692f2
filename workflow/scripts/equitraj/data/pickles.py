"""Pickles from untrusted sources as NumPy archives.

Arrays of numbers and plain containers are read, and nothing that a pickle names is ever called.

A pickle is a program: it names functions and calls them. Here each name stands for a function of
this file, which only keeps the parts of an array, and any other name is refused. So neither NumPy's
own unpickling nor the code of any class is run. In addition, the pickle is read in a process that
can do nothing else (`base/sandbox.py`).
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
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from equitraj.base import sandbox
from equitraj.base.files import atomic
from equitraj.base.sandbox import MIB, Limits

NUMBERS = re.compile(r"[<>|=]?([biufcSU]\d{1,6}|\?)")
OBJECTS = re.compile(r"\|?O\d?")
BYTE_ORDERS = ("<", ">", "|", "=")
DEEPEST = 4  # axes of an array that is stored as nested lists
SHOWN = 8  # parts of each container in a description
SEQUENCES = (list, tuple, set, frozenset)
PLAIN = (*SEQUENCES, dict)


class Dtype:
    """Stands for `numpy.dtype`: keeps its first argument, with the byte order."""

    def __init__(self, text: object, *_: object) -> None:
        if not isinstance(text, str) or not (NUMBERS.fullmatch(text) or OBJECTS.fullmatch(text)):
            raise pickle.UnpicklingError(f"values of type {str(text)[:40]!r}; expected numbers")
        self.text = text

    def __setstate__(self, state: object) -> None:
        order = None
        if isinstance(state, tuple) and len(state) > 1:
            order = state[1]
        if order not in BYTE_ORDERS:
            raise pickle.UnpicklingError("a damaged type of numbers")
        if order != "|":
            kind = self.text.lstrip("<>|=")
            self.text = order + kind


class Array:
    """Stands for an array.

    Attributes:
        value: the array, or nested lists of its objects; None until its state is read.
    """

    value: np.ndarray | list | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (_, tuple(shape), Dtype() as dtype, bool(by_columns), data):  # with a version
                self.fill(shape, dtype, by_columns, data)
            case (tuple(shape), Dtype() as dtype, bool(by_columns), data):
                self.fill(shape, dtype, by_columns, data)
            case _:
                raise pickle.UnpicklingError("a damaged array")

    def fill(self, shape: tuple, dtype: Dtype, by_columns: bool, data: object) -> None:
        """Keep the values.

        Raises:
            UnpicklingError: the values do not fill the shape.
        """
        if not all(isinstance(n, int) and n >= 0 for n in shape):
            raise pickle.UnpicklingError("an array without a shape")
        if OBJECTS.fullmatch(dtype.text):
            self.value = _objects(data, shape, by_columns)
        else:
            self.value = _numbers(data, shape, np.dtype(dtype.text), by_columns)


def _objects(data: object, shape: tuple[int, ...], by_columns: bool) -> list:
    """Nested lists of the objects of an array."""
    if not isinstance(data, list) or len(data) != math.prod(shape):
        raise pickle.UnpicklingError("a damaged array of objects")
    if by_columns and len(shape) > 1:
        raise pickle.UnpicklingError("objects in the order of columns; save it as numbers")
    return _nested(data, shape)


def _nested(data: list, shape: tuple[int, ...]) -> list:
    if len(shape) < 2 or not data:
        return data
    step = len(data) // shape[0]
    starts = range(0, len(data), step)
    return [_nested(data[start : start + step], shape[1:]) for start in starts]


def _numbers(data: object, shape: tuple[int, ...], dtype: np.dtype, by_columns: bool) -> np.ndarray:
    """The array of a shape from the bytes of its numbers."""
    if isinstance(data, str):
        data = data.encode("latin1")  # a string of Python 2
    size = math.prod(shape) * dtype.itemsize
    if not isinstance(data, bytes | bytearray) or len(data) != size:
        raise pickle.UnpicklingError("an array whose values do not fill its shape")
    values = np.frombuffer(data, dtype)
    return values.reshape(shape, order="F" if by_columns else "C")


def _reconstruct(*_: object) -> Array:
    return Array()


def _from_buffer(data: object, dtype: Dtype, shape: tuple, order: str) -> Array:
    if isinstance(data, bytearray):
        data = bytes(data)
    array = Array()
    array.__setstate__((shape, dtype, order == "F", data))
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
    """Empty bytes. Other bytes have a code of their own, or are encoded."""
    return b""


def _bytearray(*arguments: object) -> bytearray:
    """A bytearray of bytes only: from a number it would be of that length."""
    match arguments:
        case ():
            return bytearray()
        case (bytes(content), *_):
            return bytearray(content)
    raise pickle.UnpicklingError("a bytearray of no bytes")


def _container(kind: type) -> Callable[..., object]:
    def make(*arguments: object) -> object:
        if len(arguments) > 1 or not all(isinstance(content, PLAIN) for content in arguments):
            raise pickle.UnpicklingError(f"a damaged {kind.__name__}")
        return kind(*arguments)

    return make


NDARRAY = "numpy.ndarray"  # named by pickles as an argument, and never called
KNOWN: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): Dtype,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _container(OrderedDict),
}
for builtins in ("builtins", "__builtin__"):
    KNOWN[builtins, "bytearray"] = _bytearray
    KNOWN[builtins, "bytes"] = _bytes
    for container in PLAIN:
        KNOWN[builtins, container.__name__] = _container(container)
for core in ("numpy.core", "numpy._core"):
    KNOWN[f"{core}.multiarray", "_reconstruct"] = _reconstruct
    KNOWN[f"{core}.multiarray", "scalar"] = _scalar
    KNOWN[f"{core}.numeric", "_frombuffer"] = _from_buffer


class Reader(pickle.Unpickler):
    """An unpickler that knows only the names in `KNOWN`."""

    def find_class(self, module: str, name: str) -> object:
        """The object that stands for a name of the pickle.

        Raises:
            UnpicklingError: any name that is not known.
        """
        if (module, name) in KNOWN:
            return KNOWN[module, name]
        advice = ""
        if module.partition(".")[0] == "torch":
            advice = "; save tensors as arrays, with .numpy()"
        shown = f"{module}.{name}"[:100]
        raise pickle.UnpicklingError(
            f"it names {shown}, which is not read: only arrays are{advice}"
        )


def read(file: BinaryIO) -> object:
    """The content of a pickle: containers, numbers, words, and an `Array` for each array.

    Raises:
        UnpicklingError: it names anything that is not known here, or is damaged.
    """
    reader = Reader(file, encoding="latin1")
    return reader.load()


def at(tree: object, path: str) -> object:
    """The part of a tree under keys and positions separated by `/`.

    Raises:
        ValueError: there is no such part; the message describes the tree.
    """
    part = tree
    for key in filter(None, path.split("/")):
        children = _children(_without_array(part))
        if key not in children:
            raise ValueError(f"nothing under {path!r}; it holds\n{described(tree)}")
        part = children[key]
    return part


def _without_array(value: object) -> object:
    """The nested lists of an array of objects; any other value unchanged."""
    if isinstance(value, Array) and isinstance(value.value, list):
        return value.value
    return value


def _children(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return {str(key): child for key, child in value.items() if isinstance(key, str | int)}
    if isinstance(value, list | tuple):
        return {str(i): child for i, child in enumerate(value)}
    return {}


def numbers(value: object, depth: int = DEEPEST) -> np.ndarray:
    """A part of the tree as an array of numbers or words.

    Raises:
        ValueError: it is no array, or lists in it differ in length.
    """
    value = _without_array(value)
    if isinstance(value, Array) and isinstance(value.value, np.ndarray):
        return value.value
    if isinstance(value, bool | int | float | str):
        array = np.array(value)
        if array.dtype.kind in "biufU":  # a very long int becomes an object
            return array
    if isinstance(value, SEQUENCES) and value and depth:
        return np.stack([numbers(item, depth - 1) for item in value])
    raise ValueError(f"{_word(value)} is no array of numbers")


def joined(value: object) -> tuple[np.ndarray, np.ndarray | None]:
    """An array, or several arrays of different lengths one after another.

    Several arrays come with the number of its array for each row.
    """
    value = _without_array(value)
    try:
        return numbers(value), None
    except ValueError:
        if not isinstance(value, list | tuple) or not value:
            raise
    parts = [numbers(item) for item in value]
    rows = np.concatenate(parts)
    lengths = [len(part) for part in parts]
    return rows, np.repeat(np.arange(len(parts)), lengths)


def described(tree: object, path: str = "", depth: int = 3) -> str:
    """A description of a tree, with a line for each part."""
    lines = [f"  {path or 'all'}: {_word(tree)}"]
    children = list(_children(tree).items()) if depth else []
    for key, child in children[:SHOWN]:
        place = f"{path}/{key}".lstrip("/")
        lines.append(described(child, place, depth - 1))
    if len(children) > SHOWN:
        lines.append(f"  {path}: and {len(children) - SHOWN} more")
    return "\n".join(lines)


def _word(value: object) -> str:
    if isinstance(value, Array) and isinstance(value.value, np.ndarray):
        return f"array {value.value.shape} of {value.value.dtype}"
    kind = type(value).__name__
    if isinstance(value, PLAIN):
        return f"{kind} of {len(value)}"
    return kind


def convert(
    path: Path, output: Path, arrays: dict[str, str], limits: Limits | None = None
) -> list[str]:
    """Write parts of a pickle to a NumPy archive.

    `arrays` has the place of each part by its name, as in the `arrays` of a source. A list of
    positions that differ in length becomes one array with the `episode` of each frame.

    Returns:
        The names in the archive.

    Raises:
        ValueError: the pickle holds anything but arrays, numbers, words and plain containers, or
        takes too much to read; or no part is named, with a description of all parts.
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
    """Read a pickle from standard input and write an archive to standard output.

    An error is printed as a message of printable text.
    """
    *numbers, asked = sys.argv[1:]
    np.savez(BytesIO(), x=np.zeros(1))  # now, because no module can be loaded later
    limits = Limits(*map(int, numbers))
    sandbox.close(limits)
    try:
        _write(json.loads(asked), sys.stdin.buffer, sys.stdout.buffer)
    except MemoryError:
        _fail(f"it takes more than {limits.memory_mib} MiB of memory")
    except OSError as error:
        if error.errno == errno.EFBIG:
            _fail(f"it makes more than {limits.output_mib} MiB")
        _fail(str(error))
    except (ValueError, pickle.UnpicklingError) as error:
        _fail(str(error))
    except Exception as error:  # a damaged pickle can raise any exception
        kind = type(error).__name__
        _fail(f"not a readable pickle ({kind}: {error})")


def _write(asked: dict[str, str], source: BinaryIO, target: BinaryIO) -> None:
    tree = read(source)
    if not asked:
        raise ValueError(
            "say with --array which part is what, as in --array position=1; "
            f"it holds\n{described(tree)}"
        )
    arrays: dict[str, np.ndarray] = {}
    for name, path in asked.items():
        try:
            arrays[name], episode = joined(at(tree, path))
        except ValueError as error:
            raise ValueError(f"--array {name}={path}: {error}") from error
        if name == "position" and episode is not None:
            arrays["episode"] = episode
    np.savez(target, **arrays)  # type: ignore[arg-type]  # mypy takes one for `allow_pickle`


def _fail(message: str) -> NoReturn:
    shown = "".join(each if each.isprintable() or each == "\n" else "?" for each in message)
    print(shown, file=sys.stderr, flush=True)
    os._exit(1)  # without another try to write the rest of the output


if __name__ == "__main__":
    main()
