"""Pickles of strangers: arrays come out as they went in, and nothing that a pickle asks for is ever
called."""

import builtins
import copyreg
import ctypes
import io
import os
import pickle
import re
import socket
import subprocess
import sys
from collections import OrderedDict
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from called import SCRIPTS, called
from copies import copies
from equitraj.base import sandbox
from equitraj.base.sandbox import Limits
from equitraj.data import pickles
from equitraj.data.sources.reading import read_file

RANDOM = np.random.default_rng(0)
TRIALS = [RANDOM.normal(size=(n, 5, 3)) for n in (4, 6, 3)]
BONDS = [(0, 1), (1, 2)]


class Calls:
    """Pickled as a call."""

    def __init__(self, *call: object) -> None:
        self.call = call

    def __reduce__(self) -> tuple:
        return self.call


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Processes that read pickles as those of the library do, and need not be started anew."""
    variables = {
        "PYTHONPATH": str(SCRIPTS),
        "PATH": os.environ["PATH"],
        "OPENBLAS_NUM_THREADS": "1",
    }
    folder, prefix = tmp_path_factory.mktemp("said"), sandbox._namespaces()
    with copies("from equitraj.data import pickles", folder, variables, prefix) as readers:
        yield readers


@pytest.fixture
def copied(readers, monkeypatch):
    """Pickles are read in copies of a process. The tests of limits, and those of the command, start
    theirs."""

    def run(
        module: str, arguments: list[str], source: io.IOBase, output: io.IOBase, limits: Limits
    ) -> None:
        words = [module, *asdict(limits).values(), *arguments]
        done = readers(
            "from equitraj.data import pickles; pickles.main()", words, source.name, output.name
        )
        if done.returncode:
            done.stderr = done.stderr.encode()
            raise ValueError(sandbox._reason(done, limits))

    monkeypatch.setattr(sandbox, "run", run)


def refused(folder: Path, content: bytes, limits: Limits | None = None) -> str:
    """The message about a pickle that must be refused, and leave nothing."""
    (folder / "a.pkl").write_bytes(content)
    before = sorted(folder.iterdir())
    with pytest.raises(ValueError) as caught:
        pickles.convert(folder / "a.pkl", folder / "a.npz", {"position": "1"}, limits)
    assert sorted(folder.iterdir()) == before
    assert str(caught.value).startswith(f"{folder / 'a.pkl'}: ")
    return str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_published_pickle_becomes_a_source(tmp_path, protocol):
    """Of the layout of `motion.pkl`: bonds, and a list of trials that differ in length."""
    (tmp_path / "motion.pkl").write_bytes(pickle.dumps((BONDS, TRIALS), protocol))
    done = called(
        "convert.py", "motion.pkl", "walk.npz", "--array", "position=1", "bonds=0", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "arrays: { position: position, episode: episode, bonds: bonds } }" in done.stdout
    names = {name: name for name in ("position", "episode", "bonds")}
    found = read_file({"path": str(tmp_path / "walk.npz"), "arrays": names, "episodes": [2, 0]})
    np.testing.assert_array_equal(found.position, np.concatenate([TRIALS[2], TRIALS[0]]))
    assert found.episode.tolist() == [0] * 3 + [1] * 4 and found.bonds.tolist() == [[0, 1], [1, 2]]


@pytest.mark.parametrize(
    "value",
    [
        RANDOM.normal(size=(3, 2, 3)).astype(">f4"),
        np.asfortranarray(RANDOM.normal(size=(3, 4))),
        np.arange(12)[::2].reshape(2, 3),
        np.array(["H", "C"]),
        np.array([True, False]),
        np.zeros((0, 3)),
        np.float64(0.5),
        np.complex64(1j),
        np.array([np.arange(3), np.arange(3)], dtype=object),
        [[0.5, 1.5], [2.5, 3.5]],
        OrderedDict(x=np.arange(3))["x"],
        np.frombuffer(b"abcd", "i2"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "list")),
)
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_arrays_come_out_as_they_went_in(value, protocol):
    tree = pickles.read(io.BytesIO(pickle.dumps({"data": [OrderedDict(x=value)]}, protocol)))
    found, episode = pickles.joined(pickles.at(tree, "data/0/x"))
    expected = (
        np.array(np.asarray(value).tolist())
        if np.asarray(value).dtype == object
        else np.asarray(value)
    )
    np.testing.assert_array_equal(found, expected)
    assert episode is None and (found.dtype == expected.dtype)


def test_a_pickle_of_python_2_is_read():
    """Its arrays are of text, in latin-1, as Python 2 wrote them."""
    old = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\ntcnumpy\ndtype\n"
    old += (
        b"(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'"
        + b"\\x00" * 6
        + b"\\xf8?"
        + b"\\x00" * 6
        + b"\\xf8\\xbf'\ntb."
    )
    found, _ = pickles.joined(pickles.read(io.BytesIO(old)))
    assert found.tolist() == [1.5, -1.5]


HARM = {
    "os.system": lambda mark: Calls(os.system, (f"touch {mark}",)),
    "builtins.eval": lambda mark: Calls(eval, (f"open({str(mark)!r}, 'w')",)),
    "builtins.getattr": lambda mark: Calls(getattr, ("", "join")),
    "builtins.open": lambda mark: Calls(builtins.open, (str(mark), "w")),
    "subprocess.Popen": lambda mark: Calls(subprocess.Popen, (["touch", str(mark)],)),
    "copyreg._reconstructor": lambda mark: Calls(copyreg._reconstructor, (Path, object, None)),
    "ctypes.CDLL": lambda mark: Calls(ctypes.CDLL, (None,)),
    "numpy.load": lambda mark: Calls(np.load, (str(mark),)),
    "numpy.fromfile": lambda mark: Calls(np.fromfile, (str(mark),)),
    "numpy.random": lambda mark: np.random.default_rng(0),
    "pickle.loads": lambda mark: Calls(pickle.loads, (pickle.dumps(1),)),
    "pathlib": lambda mark: mark,
    "collections.deque": lambda mark: __import__("collections").deque([1]),
}


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("name", HARM)
def test_what_a_pickle_names_is_told_and_never_called(copied, tmp_path, name, protocol):
    content = pickle.dumps((BONDS, [TRIALS[0], HARM[name](tmp_path / "harm")]), protocol)
    message = refused(tmp_path, content)
    assert "it names " in message and ", which is not read: only arrays are" in message
    assert name.rpartition(".")[2] in message  # modules have other names in old protocols
    assert not (tmp_path / "harm").exists()


def array(*state: object) -> bytes:
    """A pickle of an array with a state of one's own."""

    class Odd:
        def __reduce__(self):
            rebuild, first, _ = np.zeros(1).__reduce__()
            return rebuild, first, state

    return pickle.dumps((0, Odd()), 2)


DOUBLE, OBJECT = np.dtype("f8"), np.dtype("O")
DAMAGED = {
    "shape beyond its values": array(1, (10**12,), DOUBLE, False, b"x" * 8),
    "negative shape": array(1, (-1, -8), DOUBLE, False, b"x" * 64),
    "values of text": array(1, (1,), DOUBLE, False, 8),
    "pointers as values": array(1, (1,), OBJECT, False, b"A" * 8),
    "pointers in records": array(1, (1,), np.dtype([("a", "O")]), False, b"A" * 8),
    "dates": array(1, (1,), np.dtype("M8[s]"), False, b"A" * 8),
    "no state": array(),
    "a set that is a number": b"\x80\x02K\x00cbuiltins\nset\nK\x05\x85R\x86.",
    "a bytearray of a length": b"\x80\x02K\x00cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R\x86.",
    "another encoding": b"\x80\x02K\x00c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00uu_os\x86R\x86.",
    "a type without its text": b"\x80\x02K\x00cnumpy\ndtype\n)\x81\x86.",
    "attributes of what is known": b"\x80\x02K\x00c_codecs\nencode\nN}X\x08\x00\x00\x00__code__K\x00s\x86b\x86.",
    "an object from elsewhere": b"\x80\x02K\x00Pelsewhere\n\x86.",
    "an extension": b"\x80\x02K\x00\x82\x01\x86.",
    "cut short": pickle.dumps((0, TRIALS[0]))[:-20],
    "no pickle": b"PK\x03\x04 of another kind",
    "empty": b"",
    "an escape in a name": b"c\x1b[2Jos\nsystem\n.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_told_in_text(copied, tmp_path, name):
    message = refused(tmp_path, DAMAGED[name])
    assert "signal" not in message and "Traceback" not in message and "\x1b" not in message


def test_memory_that_a_pickle_asks_for_is_limited(tmp_path):
    small = Limits(memory_mib=1024)
    memo = b"\x80\x02K\x00r\xff\xff\xff\xff."  # a table of four thousand million entries
    assert "more than 1024 MiB of memory" in refused(tmp_path, memo, small)
    grows = (
        b"\x80\x02K\x00X\x10\x00\x00\x00"
        + b"x" * 16
        + b"".join(b"q\x01h\x01h\x01\x86" for _ in range(64))
        + b"\x86."
    )
    refused(
        tmp_path, grows, small
    )  # a tree of 2^64 leaves that takes no memory: not an array, or too long to be one


def test_recursion_without_end_is_refused(copied, tmp_path):
    deep = b"]" * 200_000 + b"a" * 199_999  # a list in a list in a list
    assert "is no array of numbers" in refused(tmp_path, b"\x80\x02K\x00" + deep + b"\x86.")
    itself: list = []
    itself.append(itself)
    assert "is no array of numbers" in refused(tmp_path, pickle.dumps((0, itself)))


def test_time_is_limited(tmp_path):
    laughs: list = [0.0]
    for _ in range(3):
        laughs = [laughs] * 3000
    message = refused(tmp_path, pickle.dumps((0, laughs)), Limits(memory_mib=4096, seconds=1))
    assert re.search("takes more than 1 s|takes more than 4096 MiB|not read within 10 s", message)


def test_output_is_limited(tmp_path):
    message = refused(tmp_path, pickle.dumps((0, np.zeros((100, 100, 100)))), Limits(output_mib=1))
    assert "makes more than 1 MiB" in message


ATTEMPTS = [
    "open('/etc/passwd')",
    "open('harm', 'w')",
    "os.system('touch harm')",
    "os.fork()",
    "os.remove('/nothing')",
    "subprocess.run(['touch', 'harm'])",
    "socket.create_connection(('127.0.0.1', 9))",
    "ctypes.CDLL(None)",
    "__import__('wave')",
    "eval('1')",
]
CLOSED = f"""
import ctypes, os, socket, subprocess
from equitraj.base import sandbox

do = [compile(attempt, "attempt", "eval") for attempt in {ATTEMPTS}]
sandbox.close(sandbox.Limits())
evaluate, said = type(lambda: 0), []
for code in do:
    try:
        evaluate(code, globals())()
        said.append("done")
    except PermissionError as error:
        said.append(str(error))
print(*said, sep="\\n", flush=True)
"""


def test_the_process_of_a_reader_can_do_nothing_else(tmp_path):
    """Even where the list of names had a hole."""
    variables = {"PYTHONPATH": str(SCRIPTS), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", CLOSED], cwd=tmp_path, env=variables, capture_output=True, text=True
    )
    said = dict(zip(ATTEMPTS, done.stdout.splitlines(), strict=True))
    assert not {attempt for attempt, words in said.items() if not words.startswith("refused: ")}, (
        done.stderr
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not sandbox._namespaces(), reason="no namespaces for users here")
def test_the_kernel_keeps_the_process_from_the_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        reach = f"import socket; socket.create_connection({server.getsockname()!r}, 5)"
        assert subprocess.run([sys.executable, "-c", reach]).returncode == 0
        inside = [*sandbox._namespaces(), sys.executable, "-c", reach]
        done = subprocess.run(inside, capture_output=True, text=True)
    assert done.returncode == 1 and "Network is unreachable" in done.stderr


def test_what_a_pickle_holds_is_said(copied, tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"x": TRIALS, "z": [1, 2]}))
    with pytest.raises(
        ValueError, match=r"(?s)say with --array.*x: list of 3\n  x/0: array \(4, 5, 3\) of float64"
    ):
        pickles.convert(tmp_path / "a.pkl", tmp_path / "a.npz", {})
    with pytest.raises(
        ValueError, match="(?s)--array position=y: nothing under 'y'; it holds\n  all: dict of 2"
    ):
        pickles.convert(tmp_path / "a.pkl", tmp_path / "a.npz", {"position": "y"})
    assert [path.name for path in tmp_path.iterdir()] == ["a.pkl"]


FUZZ = """
import collections, io, pickle, random
import numpy as np
from equitraj.base import sandbox
from equitraj.data import pickles

rest = {"a": np.float64(3), "o": np.array([1, None], object), "s": {1}}
tree = ([(0, 1)], [np.zeros((n, 2, 3)) for n in (2, 3)], rest)
seeds = [pickle.dumps(tree, protocol) for protocol in range(6)]
draw, ended = random.Random(0), collections.Counter()
sandbox.close(sandbox.Limits(memory_mib=1500))
for _ in range(4000):
    content = bytearray(draw.choice(seeds))
    for _ in range(draw.randint(1, 4)):
        place, other = draw.randrange(len(content)), draw.randrange(len(content))
        if draw.random() < 0.7:
            content[place] = draw.choice([*b"RbobicNq0h}]).(ta", 0x81, 0x85, 0x86, 0x93, draw.randrange(256)])
        else:
            content[place:place] = content[other : other + draw.randint(1, 30)]
    try:
        pickles.joined(pickles.at(pickles.read(io.BytesIO(bytes(content))), "1"))
        ended["read"] += 1
    except PermissionError:
        raise
    except Exception:
        ended["refused"] += 1
print(ended["read"], ended["refused"])
"""


def test_pickles_changed_at_random_are_read_or_refused(tmp_path):
    """None crashes the reader, and none gets as far as the last lock."""
    variables = {
        "PYTHONPATH": str(SCRIPTS),
        "PATH": os.environ["PATH"],
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", FUZZ],
        cwd=tmp_path,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert done.returncode == 0
    read, refused = map(int, done.stdout.split())
    assert read > 100 and refused > 1000
