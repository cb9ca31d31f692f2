"""Fetch one file over HTTP or from a local mirror, and accept it only if its sha256 is the declared
one, if one is.

An interrupted download leaves `{destination}.part`, which the next call continues (HTTP Range, RFC
9110 section 14). A download that ends with an error leaves nothing.
"""

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

import requests
import urllib3

from equitraj.base.addresses import without_secrets
from equitraj.base.files import atomic, file_sha256
from equitraj.data.sources.limits import MAX_BYTES

BLOCK_BYTES = 1 << 16
PROGRESS_SECONDS = 5.0
RETRIED_STATUS = (408, 429, 500, 502, 503, 504)


class DownloadError(OSError):
    """No address gave the file; the message names each address with what it gave."""


class _Unusable(Exception):
    """This address will not give the file, however often it is asked."""


class _TryAgain(Exception):
    """A passing failure: the same request may work a moment later."""


@dataclass(frozen=True)
class Patience:
    """How long to insist: attempts per address, seconds before the second one (doubled each time),
    socket timeout."""

    attempts: int = 5
    wait_seconds: float = 1.0
    timeout_seconds: float = 30.0


def fetch(
    url: str,
    sha256: str | None,
    destination: str | Path,
    mirror: str | None = None,
    patience: Patience | None = None,
    max_bytes: int = MAX_BYTES,
) -> str:
    """Put the file of `url` at `destination` and return the address that gave it, without secrets.

    `mirror` is tried first: a folder that holds a file of the same name, or an http(s) address that
    the name is appended to. Connection errors, busy servers and short answers are retried and
    continued where they stopped. A file of more than `max_bytes` is not taken. Without a `sha256`
    any file but a page of HTML is taken, and none is continued: there is nothing to check one put
    together against.

    Raises:
        DownloadError: no address gave a file with this sha256. Nothing is left on disk.
    """
    destination, sha256 = Path(destination), sha256 and sha256.lower()
    part = destination.with_name(destination.name + ".part")
    destination.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    try:
        for address in addresses(url, mirror):
            try:
                _obtain(address, sha256, part, patience or Patience(), max_bytes)
                part.replace(destination)
                return without_secrets(address)
            except _Unusable as failure:
                failures.append(f"  {without_secrets(address)}: {failure}")
        raise DownloadError(without_secrets(_message(file_name(url), sha256, failures, mirror)))
    except Exception:  # an interrupt or a kill is not one: those keep the part for the next call
        part.unlink(missing_ok=True)
        raise


def file_name(url: str) -> str:
    """The last component of the path of an address, or of what stands behind its `#`.

    No server is asked for that: it names a file whose address does not, as in
    `https://host/files/8672230#adk4AKE.psf`.

    Raises:
        DownloadError: the address names no file.
    """
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.fragment or parts.path)).name
    if not name or not _is_web(url):
        shown = without_secrets(url)
        raise DownloadError(
            f"url {shown!r} is no http(s) address of a file; correct `url:` in the config"
        )
    return name


def addresses(url: str, mirror: str | None) -> list[str]:
    """The addresses to try, in order: the mirror's, if there is one, and `url`."""
    name = file_name(url)
    if not mirror:
        return [url]
    return [f"{mirror.rstrip('/')}/{name}" if _is_web(mirror) else str(Path(mirror) / name), url]


def _is_web(address: str) -> bool:
    return urlsplit(address).scheme in ("http", "https")


def _message(name: str, sha256: str | None, failures: list[str], mirror: str | None) -> str:
    advice = (
        f"set `mirror:` in the config to a folder that has {name} (or to an address that serves it)"
    )
    if mirror:
        advice = f"put {name} into the mirror {without_secrets(mirror)}, or set `mirror:` to a folder that has it"
    reasons = "\n".join(failures)
    return (
        f"cannot fetch {name} (expected sha256 {sha256 or 'not given'}); tried:\n{reasons}\n"
        f"To go on, {advice}; if the file itself has changed, correct `url:` and `sha256:` of the source."
    )


def _obtain(
    address: str, sha256: str | None, part: Path, patience: Patience, max_bytes: int
) -> None:
    """Fill `part` with the bytes of `address`; a continued part that is wrong is fetched once more
    from zero."""
    if not _is_web(address):
        return _copy(Path(address), sha256, part)
    if not sha256:
        part.unlink(missing_ok=True)
    if (
        part.exists() and file_sha256(part) == sha256
    ):  # stopped after the last byte, before it got its final name
        return None
    continued = _download(address, part, patience, max_bytes)
    if continued and file_sha256(part) != sha256:
        why = "a wrong sha256" if sha256 else "no sha256 to check it by"
        print(
            f"{without_secrets(address)}: the continued download has {why}; starting from zero",
            file=sys.stderr,
        )
        part.unlink()
        _download(address, part, patience, max_bytes)
    if problem := _difference(part, sha256):
        part.unlink()
        raise _Unusable(problem)


def _copy(source: Path, sha256: str | None, part: Path) -> None:
    try:
        problem = _difference(source, sha256)
    except OSError as error:
        raise _Unusable(error.strerror or str(error)) from error
    if problem:
        raise _Unusable(problem)
    with atomic(part, recorded=False) as temporary:
        shutil.copyfile(source, temporary)


def _difference(path: Path, sha256: str | None) -> str | None:
    """What is wrong with a file that should have this sha256 (or any, but be no page of HTML), or
    None."""
    found = file_sha256(path)
    if found == sha256:
        return None
    with open(path, "rb") as file:
        head = file.read(512).lstrip().lower()
    is_page = head.startswith((b"<!doctype html", b"<html"))
    if not (is_page or sha256):
        return None
    what = "an HTML page in place of the file" if is_page else "another or a damaged file"
    return f"{what}: {path.stat().st_size} bytes with sha256 {found}"


def _download(address: str, part: Path, patience: Patience, max_bytes: int) -> bool:
    """Download with retries; True if any byte was there before the last answer (the file was put
    together)."""
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(patience.wait_seconds * 2 ** (attempt - 1))
        try:
            return _request(address, part, patience, max_bytes)
        except _TryAgain as failure:
            reason = failure
            said = f"{without_secrets(address)}: attempt {attempt + 1} of {patience.attempts}: {failure}"
            print(without_secrets(said), file=sys.stderr)
    raise _Unusable(f"{reason} (after {patience.attempts} attempts)")


def _request(address: str, part: Path, patience: Patience, max_bytes: int) -> bool:
    """One request for what `part` lacks. True if the answer continued a part that was there.

    Raises:
        _TryAgain: connection lost or refused, timeout, busy server, fewer bytes than announced.
        _Unusable: the server says that there is no such file, or sends it compressed, or sends too
        much.
    """
    have = part.stat().st_size if part.exists() else 0
    # `identity`, because lengths and ranges count the bytes that travel, not those after
    # decompression.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(
            address, headers=headers, stream=True, timeout=patience.timeout_seconds
        ) as answer:
            offset = _offset(answer, have)
            if offset is None:
                part.unlink()
                raise _TryAgain("the server cannot continue the partial file; starting from zero")
            total = _announced(answer, offset)
            _refuse_larger(total or 0, max_bytes)
            _save(answer, part, offset, total, max_bytes)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _TryAgain(_reason(error, part)) from error
    size = part.stat().st_size
    if total is not None and size != total:
        raise _TryAgain(f"truncated: {size} of {total} bytes arrived")
    return offset > 0


def _offset(answer: requests.Response, have: int) -> int | None:
    """Where in the file the body of `answer` starts; None if the range that was asked for does not
    exist."""
    if answer.status_code in RETRIED_STATUS:
        raise _TryAgain(f"HTTP {answer.status_code} {answer.reason}")
    if answer.status_code == 416 and have:
        return None
    if answer.status_code == 206:
        return (
            have if answer.headers.get("Content-Range", "").startswith(f"bytes {have}-") else None
        )
    if answer.status_code != 200:
        raise _Unusable(f"HTTP {answer.status_code} {answer.reason}")
    return 0


def _announced(answer: requests.Response, offset: int) -> int | None:
    """The length of the whole file, where the server gives it; an answer that is compressed on the
    way is refused."""
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise _Unusable(
            f"the server sends the file compressed (Content-Encoding: {encoding}), which was not asked for"
        )
    length = answer.headers.get("Content-Length")
    return offset + int(length) if length and length.isdigit() else None


def _refuse_larger(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise _Unusable(
            f"{size} bytes or more, over `max_bytes: {max_bytes}`; raise it in the source if that is right"
        )


def _save(
    answer: requests.Response, part: Path, offset: int, total: int | None, max_bytes: int
) -> None:
    """Write the body to `part` as it arrives: unbuffered, so that a kill or a lost connection loses
    none of it."""
    size, reported = offset, time.monotonic()
    with open(part, "ab" if offset else "wb", buffering=0) as file:
        # `iter_content` would wait for a full block and drop what it has of one when the connection
        # ends.
        while block := answer.raw.read1(BLOCK_BYTES):
            file.write(block)
            size += len(block)
            if size > max_bytes:
                part.unlink()
            _refuse_larger(size, max_bytes)
            if time.monotonic() - reported > PROGRESS_SECONDS:
                reported = time.monotonic()
                share = f" of {total / 1e6:.1f}" if total else ""
                print(
                    f"{part.name.removesuffix('.part')}: {size / 1e6:.1f}{share} MB",
                    file=sys.stderr,
                    flush=True,
                )


def _reason(error: Exception, part: Path) -> str:
    """A short text for an error of `requests` or `urllib3`, whose own texts are nested object
    representations."""
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return f"truncated: the connection ended after {part.stat().st_size if part.exists() else 0} bytes"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    cause = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return f"no connection: {cause}"
