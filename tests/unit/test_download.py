"""Downloads against a real HTTP server that misbehaves on demand."""

import gzip
import hashlib
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from io import BytesIO

import MDAnalysis
import numpy as np
import pytest

from called import SCRIPTS, called
from equitraj.data import trajectory as files
from equitraj.data.sources import download
from equitraj.data.sources.download import DownloadError, Patience, fetch

PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
PATIENCE = 600  # seconds that no test waits for but one that fails
QUICK = Patience(attempts=3, wait_seconds=0.01, timeout_seconds=PATIENCE)


POSITION = np.random.default_rng(0).normal(size=(40, 12, 2))
with BytesIO() as archive:
    np.savez(archive, arr=POSITION)
    CONTENT = archive.getvalue()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        if (name := self.path.rsplit("/", 1)[-1]) in self.server.contents:
            return self.send(200, self.server.contents[name])
        getattr(self, self.server.script.pop(0) if self.server.script else "good")()

    def send(self, status, body, **headers):
        self.send_response(status)
        for name, value in ({"Content_Length": len(body)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def start(self):
        asked = self.headers.get("Range") if self.server.supports_range else None
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0

    def good(self):
        start, total = self.start(), len(CONTENT)
        if start >= total:
            return self.send(416, b"", Content_Range=f"bytes */{total}")
        if start:
            return self.send(
                206, CONTENT[start:], Content_Range=f"bytes {start}-{total - 1}/{total}"
            )
        self.send(200, CONTENT)

    def truncated(self):  # half of what is still to come
        start, total = self.start(), len(CONTENT)
        half = CONTENT[start : (start + total) // 2]
        headers = {"Content_Range": f"bytes {start}-{total - 1}/{total}"} if start else {}
        self.send(206 if start else 200, half, Content_Length=total - start, **headers)

    def chunked(self):
        self.protocol_version = "HTTP/1.1"
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in (CONTENT[:1000], CONTENT[1000:]):
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        self.wfile.write(b"0\r\n\r\n")

    def stalled(self):
        self.truncated()
        self.wfile.flush()
        self.server.halted.set()
        self.server.release.wait(PATIENCE)

    def page_404(self):
        self.send(404, PAGE, Content_Type="text/html")

    def page_200(self):
        self.send(200, PAGE, Content_Type="text/html")

    def busy(self):
        self.send(503, b"later")

    def endless(self):  # no Content-Length, and no end
        self.send_response(200)
        self.end_headers()
        while not self.server.release.is_set():
            try:
                self.wfile.write(b"x" * 10_000)
            except OSError:
                return

    def announced(self):
        self.send(200, b"x" * 10, Content_Length=10**15)

    def compressed(self):
        body = gzip.compress(CONTENT)
        self.send(200, body, Content_Encoding="gzip", Content_Length=len(body))

    def other(self):
        self.send(200, b"other bytes")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.script, web.ranges, web.supports_range = [], [], True
    web.halted, web.release = threading.Event(), threading.Event()
    web.daemon_threads, web.contents = True, {}
    web.url = f"http://127.0.0.1:{web.server_port}/data/paths.npz"
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield web
    web.release.set()
    web.shutdown()
    web.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def expect_failure(folder, *arguments, sha256=SHA256, **keywords):
    """The message of a download that must fail and leave nothing."""
    with pytest.raises(DownloadError) as caught:
        fetch(
            arguments[0], sha256, folder / "paths.npz", *arguments[1:], patience=QUICK, **keywords
        )
    assert names(folder) == []
    message = str(caught.value)
    assert arguments[0] in message and sha256 in message and "mirror" in message
    return message


@pytest.mark.parametrize("behaviour", ["good", "chunked"])
def test_good_file(server, tmp_path, behaviour):
    server.script = [behaviour]
    assert fetch(server.url, SHA256.upper(), tmp_path / "paths.npz") == server.url
    assert (tmp_path / "paths.npz").read_bytes() == CONTENT
    assert names(tmp_path) == ["paths.npz"] and server.ranges == [None]


def test_without_a_checksum_any_file_is_taken_but_a_page(server, tmp_path):
    (tmp_path / "paths.npz.part").write_bytes(b"of another one")
    assert fetch(server.url, None, tmp_path / "paths.npz") == server.url
    assert (tmp_path / "paths.npz").read_bytes() == CONTENT and server.ranges == [None]
    (tmp_path / "paths.npz").unlink()
    server.script = ["page_200"]
    with pytest.raises(
        DownloadError, match="expected sha256 not given.*\n.*an HTML page in place of the file"
    ):
        fetch(server.url, None, tmp_path / "paths.npz")
    assert names(tmp_path) == []


def test_a_short_answer_without_a_checksum_is_never_put_together(server, tmp_path):
    server.script = ["truncated"]
    fetch(server.url, None, tmp_path / "paths.npz", patience=QUICK)
    assert (tmp_path / "paths.npz").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-", None]


def test_the_name_behind_an_address_is_what_a_mirror_is_asked_for(server, tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/named.npz").write_bytes(CONTENT)
    here = fetch(
        "https://host.invalid/files/1#named.npz",
        SHA256,
        tmp_path / "a.npz",
        str(tmp_path / "mirror"),
    )
    assert here == str(tmp_path / "mirror/named.npz")


@pytest.mark.parametrize(
    ("behaviour", "expected", "requests"),
    [
        ("page_404", "HTTP 404", 1),  # there is no such file: asking again would not help
        ("page_200", "HTML page in place of the file", 1),
        ("busy", "HTTP 503", QUICK.attempts),
        ("truncated", "truncated", QUICK.attempts),
    ],
)
def test_server_that_never_gives_the_file(server, tmp_path, behaviour, expected, requests):
    server.script = [behaviour] * 9
    message = expect_failure(tmp_path, server.url)
    assert expected in message and len(server.ranges) == requests
    assert (hashlib.sha256(PAGE).hexdigest() in message) == (behaviour == "page_200")


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ("endless", "over `max_bytes: 100000`; raise it in the source"),
        ("announced", "1000000000000000 bytes or more, over `max_bytes: 100000`"),
        ("compressed", r"the server sends the file compressed (Content-Encoding: gzip)"),
    ],
)
def test_server_that_means_harm(server, tmp_path, behaviour, expected):
    server.script = [behaviour] * 9
    assert expected in expect_failure(tmp_path, server.url, max_bytes=100_000)
    assert len(server.ranges) == 1  # asking again would not help


def test_wrong_checksum(server, tmp_path):
    message = expect_failure(tmp_path, server.url, sha256="0" * 64)
    assert SHA256 in message and "HTML" not in message


def test_busy_server_is_asked_again(server, tmp_path):
    server.script = ["busy", "busy"]
    fetch(server.url, SHA256, tmp_path / "paths.npz", patience=QUICK)
    assert (tmp_path / "paths.npz").read_bytes() == CONTENT and len(server.ranges) == 3


@pytest.mark.parametrize("supports_range", [True, False])
def test_short_answer_is_continued_or_repeated(server, tmp_path, supports_range):
    server.script, server.supports_range = ["truncated"], supports_range
    fetch(server.url, SHA256, tmp_path / "paths.npz", patience=QUICK)
    assert (tmp_path / "paths.npz").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]


def test_no_network(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "Connection refused" in expect_failure(tmp_path, f"http://127.0.0.1:{port}/paths.npz")


def test_silent_server_times_out(server, tmp_path):
    server.script = ["stalled"] * 2
    impatient = Patience(attempts=2, wait_seconds=0.01, timeout_seconds=0.2)
    with pytest.raises(DownloadError, match="no answer in time"):
        fetch(server.url, SHA256, tmp_path / "paths.npz", patience=impatient)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("size", "ranges"), [(100, ["bytes=100-"]), (len(CONTENT), [])], ids=["part", "whole"]
)
def test_partial_file_is_continued(server, tmp_path, size, ranges):
    (tmp_path / "paths.npz.part").write_bytes(CONTENT[:size])
    fetch(server.url, SHA256, tmp_path / "paths.npz", patience=QUICK)
    assert server.ranges == ranges and (tmp_path / "paths.npz").read_bytes() == CONTENT
    assert names(tmp_path) == ["paths.npz"]


@pytest.mark.parametrize(
    "junk", [b"x" * 100, b"x" * (len(CONTENT) + 5)], ids=["short", "longer than the file"]
)
def test_wrong_partial_file_is_fetched_from_zero(server, tmp_path, junk):
    (tmp_path / "paths.npz.part").write_bytes(junk)
    fetch(server.url, SHA256, tmp_path / "paths.npz", patience=QUICK)
    assert (
        server.ranges == [f"bytes={len(junk)}-", None]
        and (tmp_path / "paths.npz").read_bytes() == CONTENT
    )


def test_wrong_partial_file_is_restarted_once_only(server, tmp_path):
    (tmp_path / "paths.npz.part").write_bytes(b"x" * 100)
    assert SHA256 in expect_failure(tmp_path, server.url, sha256="0" * 64)
    assert server.ranges == ["bytes=100-", None]


@pytest.fixture
def mirror(tmp_path):
    (tmp_path / "mirror").mkdir()
    return tmp_path / "mirror"


def test_mirror_folder_is_tried_first(server, mirror, tmp_path):
    (mirror / "paths.npz").write_bytes(CONTENT)
    target = tmp_path / "target/paths.npz"
    assert fetch(server.url, SHA256, target, str(mirror)) == str(mirror / "paths.npz")
    assert names(target.parent) == names(mirror) == ["paths.npz"] and server.ranges == []


@pytest.mark.parametrize("inside", [None, b"wrong bytes"], ids=["missing", "wrong"])
def test_bad_mirror_falls_back_to_the_address(server, mirror, tmp_path, inside):
    if inside:
        (mirror / "paths.npz").write_bytes(inside)
    assert fetch(server.url, SHA256, tmp_path / "target/paths.npz", str(mirror)) == server.url


def test_missing_mirror_file_is_named(server, mirror, tmp_path):
    server.script = ["page_404"]
    (tmp_path / "target").mkdir()
    message = expect_failure(tmp_path / "target", server.url, str(mirror))
    assert f"{mirror / 'paths.npz'}: No such file" in message and "404" in message


def test_mirror_address(server, tmp_path):
    mirror = f"http://127.0.0.1:{server.server_port}/copies/"
    found = fetch(
        "http://127.0.0.1:1/data/paths.npz", SHA256, tmp_path / "paths.npz", mirror, QUICK
    )
    assert found == f"http://127.0.0.1:{server.server_port}/copies/paths.npz"


def test_address_after_a_mirror_with_a_wrong_file_starts_from_zero(server, tmp_path):
    server.script = ["other"]
    mirror = f"http://127.0.0.1:{server.server_port}/copies"
    assert fetch(server.url, SHA256, tmp_path / "paths.npz", mirror, QUICK) == server.url
    assert server.ranges == [None, None]


@pytest.mark.parametrize(
    "url", ["ftp://host/paths.npz", "paths.npz", "https://host/", "https://host"]
)
def test_address_that_names_no_file(url):
    with pytest.raises(DownloadError, match="correct `url:`"):
        download.file_name(url)


def test_progress_of_a_slow_download(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, "PROGRESS_SECONDS", -1.0)
    fetch(server.url, SHA256, tmp_path / "paths.npz")
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"paths.npz: {len(CONTENT) / 1e6:.1f} of {len(CONTENT) / 1e6:.1f} MB"


def words(folder, url, **changes):
    source = {
        "kind": "download",
        "url": url,
        "sha256": SHA256,
        "array": "arr",
        "bonds": "chain",
    } | changes
    return ["--source", json.dumps(source), "--output", str(folder / "raw.h5")]


def test_script_writes_the_trajectory(server, tmp_path):
    called("fetch.py", *words(tmp_path, server.url, frames=40)).check_returncode()
    assert names(tmp_path) == [".raw.h5.sha256", "raw.h5"]
    read = files.read(tmp_path / "raw.h5")
    np.testing.assert_array_equal(read.position, POSITION)
    assert read.bonds.tolist() == [[i, i + 1] for i in range(11)]
    assert read.provenance["address"] == server.url and read.provenance["sha256"] == SHA256
    assert read.provenance["source"]["array"] == "arr"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sha256": "0" * 64}, SHA256),
        ({"array": "ar"}, "Did you mean 'arr'?"),
        ({"frames": 41}, "40 frames, but the source declares `frames: 41`"),
        ({"bonds": "chian"}, "Did you mean 'chain'?"),
        ({"sha256": ""}, "sha256: no value; kind download needs it, or null"),
        ({"kind": "donwload"}, "Did you mean 'download'?"),
    ],
)
def test_script_reports_one_error(server, tmp_path, changes, expected):
    done = called("fetch.py", *words(tmp_path, server.url, **changes))
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1 and expected in done.stderr
    assert names(tmp_path) == []


def test_script_downloads_episodes_and_refuses_the_one_that_differs(server, tmp_path):
    both = {"url": [server.url, server.url], "sha256": [SHA256, SHA256]}
    called("fetch.py", *words(tmp_path, **both)).check_returncode()
    assert names(tmp_path) == [".raw.h5.sha256", "raw.h5"]
    read = files.read(tmp_path / "raw.h5")
    np.testing.assert_array_equal(read.position, np.concatenate([POSITION, POSITION]))
    assert (
        read.episode.tolist() == [0] * 40 + [1] * 40 and read.provenance["address"] == both["url"]
    )
    done = called("fetch.py", *words(tmp_path / "wrong", **both | {"sha256": [SHA256, "0" * 64]}))
    assert done.returncode == 1 and "0" * 64 in done.stderr and names(tmp_path / "wrong") == []


def test_script_downloads_a_topology(server, tmp_path):
    """An XYZ file of MDAnalysis beside a topology, both from the server."""
    texts = {"a.dcd": b"", "top.xyz": b"2\n\nC 0 0 0\nO 1 0 0\n"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(2, trajectory=True)
        with MDAnalysis.Writer(str(tmp_path / "a.dcd"), 2, dt=1) as writer:
            for i in range(4):
                universe.atoms.positions = [[i, 0, 0], [0, i, 0]]
                writer.write(universe.atoms)
    texts["a.dcd"] = (tmp_path / "a.dcd").read_bytes()
    server.contents, base = texts, server.url.rsplit("/", 1)[0]
    checks = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    source = {
        "kind": "download",
        "url": f"{base}/a.dcd",
        "sha256": checks["a.dcd"],
        "selection": "element O",
    }
    source |= {
        "topology_url": f"{base}/top.xyz",
        "topology_sha256": checks["top.xyz"],
        "time_step": 2.0,
    }
    done = called("fetch.py", "--source", json.dumps(source), "--output", tmp_path / "out/raw.h5")
    assert done.returncode == 0, done.stderr
    read = files.read(tmp_path / "out/raw.h5")
    np.testing.assert_array_equal(read.position[:, 0], [[0, i, 0] for i in range(4)])
    assert read.time.tolist() == [0, 2, 4, 6] and names(tmp_path / "out") == [
        ".raw.h5.sha256",
        "raw.h5",
    ]
    assert read.provenance["topology"] == {
        "address": source["topology_url"],
        "sha256": checks["top.xyz"],
    }


def test_killed_download_is_continued_by_the_next_run(server, tmp_path):
    server.script = ["stalled"]
    arguments = words(tmp_path, server.url)
    with subprocess.Popen([sys.executable, SCRIPTS / "fetch.py", *arguments]) as process:
        assert server.halted.wait(PATIENCE)
        part = tmp_path / "download-paths.npz.part"
        while process.poll() is None and not (
            part.exists() and part.stat().st_size == len(CONTENT) // 2
        ):
            time.sleep(0.02)
        process.kill()
    assert process.returncode == -signal.SIGKILL and names(tmp_path) == [part.name]
    called("fetch.py", *arguments).check_returncode()
    assert server.ranges == [None, f"bytes={len(CONTENT) // 2}-"]
    assert names(tmp_path) == [".raw.h5.sha256", "raw.h5"]
    np.testing.assert_array_equal(files.read(tmp_path / "raw.h5").position, POSITION)
