"""Download of one file over HTTP or from a local mirror, with a check of its sha256.

A file is accepted only if it has the declared sha256, if one is declared. An interrupted download
leaves `{destination}.part`, which the next call continues (HTTP Range, RFC 9110 section 14). A
download that ends with an error leaves nothing.
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
    """No address gave the file; the message lists each address with its failure."""


class _Unusable(Exception):
    """This address does not give the file; a retry would not help."""


class _TryAgain(Exception):
    """A temporary failure: the same request may succeed later."""


@dataclass(frozen=True)
class Patience:
    """How long a download is retried.

    Attributes:
        attempts: per address.
        wait_seconds: before the second attempt; the wait doubles with each further attempt.
        timeout_seconds: of the socket.
    """

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

    `mirror` is tried first: a folder with a file of the same name, or an http(s) address to which
    the name is appended. Connection errors, busy servers and short answers are retried, and the
    download continues where it stopped. Without a `sha256`, any file except an HTML page is
    accepted, and no partial file is continued, because the result could not be checked.

    Raises:
        DownloadError: no address gave a file with this sha256 and at most `max_bytes`. Nothing is
            left on disk.
    """
    sha256 = sha256 and sha256.lower()
    patience = patience or Patience()
    destination = Path(destination)
    part = destination.with_name(f"{destination.name}.part")
    destination.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    try:
        for address in addresses(url, mirror):
            shown = without_secrets(address)
            try:
                _obtain(address, sha256, part, patience, max_bytes)
                part.replace(destination)
                return shown
            except _Unusable as failure:
                failures.append(f"  {shown}: {failure}")
        raise DownloadError(without_secrets(_message(file_name(url), sha256, failures, mirror)))
    except Exception:  # not an interrupt or a kill: those keep the partial file for the next call
        part.unlink(missing_ok=True)
        raise


def file_name(url: str) -> str:
    """The last component of the path of an address, or of the text after its `#`.

    The text after `#` names a file whose address has no file name, as in
    `https://host/files/8672230#adk4AKE.psf`. It is not sent to the server.

    Raises:
        DownloadError: the address names no file.
    """
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.fragment or parts.path)).name
    if not name or not _is_web(url):
        shown = without_secrets(url)
        raise DownloadError(
            f"url {shown!r} is not the http(s) address of a file; correct `url:` in the config"
        )
    return name


def addresses(url: str, mirror: str | None) -> list[str]:
    """The addresses to try, in order: the address in the mirror, if there is one, and `url`."""
    name = file_name(url)
    if not mirror:
        return [url]
    if _is_web(mirror):
        return [f"{mirror.rstrip('/')}/{name}", url]
    return [str(Path(mirror) / name), url]


def _is_web(address: str) -> bool:
    scheme = urlsplit(address).scheme
    return scheme in ("http", "https")


def _message(name: str, sha256: str | None, failures: list[str], mirror: str | None) -> str:
    advice = (
        f"set `mirror:` in the config to a folder that has {name} (or to an address that serves it)"
    )
    if mirror:
        advice = (
            f"put {name} into the mirror {without_secrets(mirror)}, "
            "or set `mirror:` to a folder that has it"
        )
    reasons = "\n".join(failures)
    return (
        f"cannot fetch {name} (expected sha256 {sha256 or 'not given'}); tried:\n{reasons}\n"
        f"To continue, {advice}; "
        "if the file has changed, correct `url:` and `sha256:` of the source."
    )


def _obtain(
    address: str, sha256: str | None, part: Path, patience: Patience, max_bytes: int
) -> None:
    """Fill `part` with the bytes of `address`.

    A download that was continued and has a wrong checksum is repeated once from the start.
    """
    if not _is_web(address):
        _copy(Path(address), sha256, part)
        return
    if not sha256:
        part.unlink(missing_ok=True)
    if part.exists() and file_sha256(part) == sha256:
        return  # an earlier call stopped after the last byte, before the file was renamed
    is_continued = _download(address, part, patience, max_bytes)
    if is_continued and file_sha256(part) != sha256:
        why = "a wrong sha256" if sha256 else "no sha256 to check it with"
        print(
            f"{without_secrets(address)}: the continued download has {why}; starting from zero",
            file=sys.stderr,
        )
        part.unlink()
        _download(address, part, patience, max_bytes)
    problem = _difference(part, sha256)
    if problem:
        part.unlink()
        raise _Unusable(problem)


def _copy(source: Path, sha256: str | None, part: Path) -> None:
    """Copy a file of a mirror to `part`."""
    try:
        problem = _difference(source, sha256)
    except OSError as error:
        raise _Unusable(error.strerror or str(error)) from error
    if problem:
        raise _Unusable(problem)
    with atomic(part, recorded=False) as temporary:
        shutil.copyfile(source, temporary)


def _difference(path: Path, sha256: str | None) -> str | None:
    """What is wrong with a file that should have this sha256; None if nothing is.

    Without a sha256 only an HTML page is wrong.
    """
    actual = file_sha256(path)
    if actual == sha256:
        return None
    with open(path, "rb") as file:
        head = file.read(512)
    is_page = head.lstrip().lower().startswith((b"<!doctype html", b"<html"))
    if not (is_page or sha256):
        return None
    what = "an HTML page in place of the file" if is_page else "a different or damaged file"
    return f"{what}: {path.stat().st_size} bytes with sha256 {actual}"


def _download(address: str, part: Path, patience: Patience, max_bytes: int) -> bool:
    """Download with retries; True if the last answer continued a partial file."""
    for attempt in range(patience.attempts):
        if attempt:
            wait = patience.wait_seconds * 2 ** (attempt - 1)
            time.sleep(wait)
        try:
            return _request(address, part, patience, max_bytes)
        except _TryAgain as failure:
            reason = str(failure)
            shown = without_secrets(address)
            warning = f"{shown}: attempt {attempt + 1} of {patience.attempts}: {reason}"
            print(without_secrets(warning), file=sys.stderr)
    raise _Unusable(f"{reason} (after {patience.attempts} attempts)")


def _request(address: str, part: Path, patience: Patience, max_bytes: int) -> bool:
    """Request the bytes that `part` lacks; True if the answer continued a partial file.

    Raises:
        _TryAgain: connection lost or refused, timeout, busy server, fewer bytes than announced.
        _Unusable: the server has no such file, sends it compressed, or sends too many bytes.
    """
    have = part.stat().st_size if part.exists() else 0
    # `identity`, because lengths and ranges count bytes as they are sent, before decompression
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
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
    """The position in the file where the body of `answer` starts.

    None means that the requested range does not exist.
    """
    status = answer.status_code
    if status in RETRIED_STATUS:
        raise _TryAgain(f"HTTP {status} {answer.reason}")
    if status == 416 and have:
        return None
    if status == 206:
        sent = answer.headers.get("Content-Range", "")
        return have if sent.startswith(f"bytes {have}-") else None
    if status != 200:
        raise _Unusable(f"HTTP {status} {answer.reason}")
    return 0


def _announced(answer: requests.Response, offset: int) -> int | None:
    """The length of the whole file, if the server announces it; refuse a compressed answer."""
    encoding = answer.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise _Unusable(
            f"the server sends the file compressed (Content-Encoding: {encoding}), "
            "which was not requested"
        )
    length = answer.headers.get("Content-Length")
    if not length or not length.isdigit():
        return None
    return offset + int(length)


def _refuse_larger(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise _Unusable(
            f"{size} bytes or more, over `max_bytes: {max_bytes}`; "
            "raise it in the source if that is right"
        )


def _save(
    answer: requests.Response, part: Path, offset: int, total: int | None, max_bytes: int
) -> None:
    """Write the body to `part` as it arrives.

    The file is unbuffered, so that a kill or a lost connection loses no byte.
    """
    size = offset
    reported = time.monotonic()
    with open(part, "ab" if offset else "wb", buffering=0) as file:
        # `iter_content` would wait for a full block, and lose a partial one when the connection
        # ends
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
    """A short text for an error of `requests` or `urllib3`; their own texts show nested objects."""
    if isinstance(error, urllib3.exceptions.ProtocolError):
        size = part.stat().st_size if part.exists() else 0
        return f"truncated: the connection ended after {size} bytes"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "no answer in time"
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return f"no connection: {cause}"
