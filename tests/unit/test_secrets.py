"""Passwords and tokens of addresses: the server gets them, and nothing that is written or printed
has them."""

import base64
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from io import BytesIO
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest

from equitraj.base import addresses
from equitraj.base.files import AGAIN
from equitraj.data import trajectory as files
from study import REPOSITORY

USER, PASSWORD, TOKEN = "reader", "pa55-w0rd", "t0ken-of-mine"
SECRETS = (PASSWORD, TOKEN, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
with BytesIO() as archive:
    np.savez(archive, arr=np.random.default_rng(0).normal(size=(20, 3, 3)))
    CONTENT = archive.getvalue()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Gives the file to those who have the password and the token."""

    def do_GET(self):
        asked, given = urlsplit(self.path), self.headers.get("Authorization", "")
        is_known = given == f"Basic {SECRETS[2]}" and parse_qs(asked.query).get("token") == [TOKEN]
        is_there = asked.path.endswith("/paths.npz")
        body = CONTENT if is_known and is_there else b""
        self.send_response(
            (200 if is_there else 404) if is_known else 401, f"asked for {self.path}"
        )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def host():
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"127.0.0.1:{web.server_port}"
    web.shutdown()
    web.server_close()


def url(host, name="paths.npz"):
    """The whole address of a file."""
    return f"http://{USER}:{PASSWORD}@{host}/{name}?token={TOKEN}&id=7"


def fetched(folder, source, mirror="", **variables):
    """`fetch.py`, called as the workflow calls it."""
    source = {"kind": "download", "sha256": SHA256, "array": "arr"} | source
    again = {AGAIN: f"snakemake --config mirror={mirror}", "NO_PROXY": "127.0.0.1"}
    call = [
        sys.executable,
        str(REPOSITORY / "workflow/scripts/fetch.py"),
        "--source",
        json.dumps(source),
    ]
    call += [f"--mirror={mirror}", "--output", str(folder / "raw.h5")]
    return subprocess.run(call, env=os.environ | again | variables, capture_output=True, text=True)


def assert_without_secrets(*texts):
    """Assert that texts or bytes have no secret, not even a part of the address around it."""
    for text in texts:
        text = text if isinstance(text, bytes) else text.encode()
        assert not [secret for secret in (*SECRETS, USER) if secret.encode() in text]


def written(folder):
    """The content of every file below a folder."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def test_a_download_uses_them_and_neither_files_nor_messages_have_them(host, tmp_path, monkeypatch):
    config = {
        "mirror": f"http://{USER}:{PASSWORD}@{host}/none",
        "sources": {"a": {"url": url(host), "sha256": None}},
    }
    before = set(os.environ)
    config = addresses.keep(config)
    for name in set(os.environ) - before:
        monkeypatch.setenv(name, os.environ[name])  # and remove it afterwards
    assert_without_secrets(json.dumps(config))
    done = fetched(tmp_path, config["sources"]["a"], config["mirror"])
    assert done.returncode == 0, done.stderr
    assert_without_secrets(done.stdout, done.stderr, *done.args, *written(tmp_path))
    read = files.read(tmp_path / "raw.h5")
    assert read.provenance["address"] == f"http://***@{host}/paths.npz?token=***&id=7"
    assert read.provenance["source"]["url"] == read.provenance["address"]
    assert "to pin what was fetched" in done.stderr


def test_a_command_that_was_given_whole_addresses_hides_them_as_well(host, tmp_path):
    mirror = f"http://{USER}:{PASSWORD}@{host}/none"
    done = fetched(tmp_path, {"url": url(host)}, mirror)
    assert done.returncode == 0, done.stderr
    assert_without_secrets(done.stderr, *written(tmp_path))
    assert b"snakemake --config mirror=http://***@" in (tmp_path / ".raw.h5.sha256").read_bytes()


def test_a_password_may_stand_in_netrc(host, tmp_path):
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}")
    address = url(host).replace(f"{USER}:{PASSWORD}@", "")
    done = fetched(tmp_path / "out", {"url": address}, NETRC=str(tmp_path / "netrc"))
    assert done.returncode == 0, done.stderr
    assert_without_secrets(done.stderr, *written(tmp_path / "out"))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda address: address.replace("paths", "others"), "HTTP 404"),
        (
            lambda address: address.replace("@127.0.0.1", "/@127.0.0.1"),
            "expected the http(s) address of a file",
        ),
        (lambda address: address.replace(PASSWORD, "other-pa55-w0rd"), "HTTP 401"),
    ],
    ids=["missing", "malformed", "wrong password"],
)
def test_an_error_shows_the_address_without_them(host, tmp_path, change, expected):
    done = fetched(tmp_path, {"url": change(url(host))})
    assert done.returncode == 1 and expected in done.stderr and "***@127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert_without_secrets(done.stdout, done.stderr, *written(tmp_path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://user:secret@host/file.npz", "https://***@host/file.npz"),
        ("https://secret@host:81/a#name.npz", "https://***@host:81/a#name.npz"),
        ("https://user:sec/r?e#t@host/file", "https://***@host/file"),
        ("https://us@mail.org:sec/ret@host/file", "https://***@host/file"),
        ("https://user:sec ret@host/file", "https://***@host/file"),
        ("https://host/name@1.0/file?author=me&id=3", "https://host/name@1.0/file?author=me&id=3"),
        (
            "https://host/f?X-Amz-Signature=secret&X-Amz-Date=1",
            "https://host/f?X-Amz-Signature=***&X-Amz-Date=1",
        ),
        ("https://host/f?a=1;apikey=secret#f.npz", "https://host/f?a=1;apikey=***#f.npz"),
        (
            "no answer of /f?sig=secret&id=3 and s3://k:secret@b/f: why",
            "no answer of /f?sig=***&id=3 and s3://***@b/f: why",
        ),
        (
            'a={"url":"https://u:p@h/f?token=t","to":"a@b"}',
            'a={"url":"https://***@h/f?token=***","to":"a@b"}',
        ),
        ("['https://h/f?key=k', 'a@b']", "['https://h/f?key=***', 'a@b']"),
        ("trials?key=1.npz of user@host", "trials?key=*** of user@host"),
    ],
)
def test_what_is_hidden_in_a_text(text, expected):
    assert addresses.without_secrets(text) == expected
    assert addresses.without_secrets(expected) == expected


def test_a_configuration_keeps_all_else_and_addresses_that_differ_stay_apart(monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    shared = ["https://u:1@host/a.npz", "https://u:2@host/a.npz", "https://u:1@host/a.npz"]
    config = {"url": shared, "again": shared, "path": "trials?key=[1-3].npz", "n": 3, "none": None}
    found = addresses.keep(config)
    assert (
        found["url"]
        == found["again"]
        == ["https://***@host/a.npz", "https://***2@host/a.npz", "https://***@host/a.npz"]
    )
    assert {key: found[key] for key in ("path", "n", "none")} == {
        key: config[key] for key in ("path", "n", "none")
    }
    assert list(map(addresses.whole, found["url"])) == shared
    assert addresses.whole("https://host/b.npz") == "https://host/b.npz"


def test_a_configuration_that_contains_itself_is_left_to_its_check():
    config = {"sources": []}
    config["sources"].append(config)
    assert addresses.hidden(config)["sources"][0]["sources"]
