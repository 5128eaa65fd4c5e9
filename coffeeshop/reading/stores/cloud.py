"""Folders in object stores, through Arrow's file systems: S3, Google's, Azure's."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

import pyarrow.fs as pafs

from coffeeshop.errors import (
    BadData,
    CoffeeshopError,
    Forbidden,
    Unreachable,
    UsageError,
)
from coffeeshop.reading.file import Place, place_at
from coffeeshop.reading.folder import STRANGERS
from coffeeshop.reading.names import folder_stem, is_no_data, log_of, table_of
from coffeeshop.reading.stores.base import (
    BUFFER,
    PATIENCE,
    Retrying,
    Version,
    changed,
    checked_address,
    retried,
)
from coffeeshop.suggestions import did_you_mean

CONNECT_TIMEOUT = 5.0
REQUEST_TIMEOUT = 30.0
_TRIES = 3
"""Of one request, by the library, before this module sees that it failed."""
_OPTIONS = {
    "s3": ("region", "endpoint_override", "scheme", "anonymous"),
    "gs": ("endpoint_override", "scheme", "anonymous"),
    "abfs": ("endpoint_override", "scheme"),
}
_ADVICE = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "
    "add ?anonymous=true for a public bucket",
    "gs": "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS; "
    "add ?anonymous=true for a public bucket",
    "abfs": "run `az login`, or set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN",
}
_AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_NO_BUCKET = re.compile(
    r"NO_SUCH_BUCKET|bucket does not exist|ContainerNotFound|bucket .*not found"
)
_DENIED = re.compile(r"ACCESS_DENIED|PERMISSION_DENIED|AuthorizationFailure|\b403\b")
_NOT_VALID = re.compile(
    r"INVALID_ACCESS_KEY_ID|INVALID_CLIENT_TOKEN_ID|SIGNATURE_DOES_NOT_MATCH|EXPIRED_?TOKEN"
    r"|ExpiredToken|UNRECOGNIZED_CLIENT|UNAUTHENTICATED|InvalidAccessKeyId|InvalidClientTokenId"
    r"|SignatureDoesNotMatch|AuthenticationFailed|\b401\b"
)
_REGION = re.compile(r"PermanentRedirect|PERMANENT_REDIRECT|AuthorizationHeaderMalformed|\b301\b")
_RANGE = re.compile(r"INVALID_RANGE|InvalidRange|\b416\b|OUT_OF_RANGE|PRECONDITION|\b412\b")
_AWAY = re.compile(
    r"NETWORK_CONNECTION|SLOW_DOWN|SERVICE_UNAVAILABLE|INTERNAL_FAILURE|REQUEST_TIMEOUT|THROTTLING"
    r"|UNAVAILABLE|DEADLINE_EXCEEDED|curl|timed? ?out|\b50[0234]\b|\b429\b",
    re.IGNORECASE,
)
_NOISE = re.compile(r"\s*\(Request ID:.*|\s*Details: .*", re.DOTALL)


def cloud_store(address: str) -> CloudStore:
    """The folder at an address; raises `UsageError` for one that says what is not understood."""
    # A key may contain a #.
    parts = urlsplit(checked_address(address), allow_fragments=False)
    kind = {"gcs": "gs", "abfss": "abfs"}.get(parts.scheme, parts.scheme)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options:
        if name not in _OPTIONS[kind]:
            known = _OPTIONS[kind]
            meant = did_you_mean(name, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"{address}: unknown option {name!r}{meant}")
    if not parts.netloc:
        raise UsageError(f"{address}: no bucket is named; an address is {kind}://bucket/prefix")
    make = {"s3": _s3, "gs": _google, "abfs": _azure}[kind]
    place = place_at(address)
    try:
        system, bucket = make(parts, options)
    except (OSError, ValueError) as error:
        raise _failure(kind, place, parts.netloc, OSError(str(error))) from error
    return CloudStore(kind, place, system, f"{bucket}{parts.path}".rstrip("/"))


def _s3(parts: SplitResult, options: dict[str, str]) -> tuple[pafs.FileSystem, str]:
    # The library reads keys, profiles and roles by itself, but not where another S3 is.
    endpoint = (
        options.get("endpoint_override")
        or os.environ.get("AWS_ENDPOINT_URL_S3")
        or os.environ.get("AWS_ENDPOINT_URL")
    )
    region = (
        options.get("region")
        or os.environ.get("AWS_REGION")
        or os.environ.get("AWS_DEFAULT_REGION")
        or (None if endpoint else pafs.resolve_s3_region(parts.netloc))
    )
    how: dict[str, Any] = {}
    if endpoint:
        how["endpoint_override"] = endpoint
    if "scheme" in options:
        how["scheme"] = options["scheme"]
    system = pafs.S3FileSystem(
        region=region,
        anonymous=_is_on(options.get("anonymous", "")),
        connect_timeout=CONNECT_TIMEOUT,
        request_timeout=REQUEST_TIMEOUT,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=_TRIES),
        **how,
    )
    return system, parts.netloc


def _google(parts: SplitResult, options: dict[str, str]) -> tuple[pafs.FileSystem, str]:
    system = pafs.GcsFileSystem(
        anonymous=_is_on(options.get("anonymous", "")),
        scheme=options.get("scheme", "https"),
        endpoint_override=options.get("endpoint_override"),
        retry_time_limit=dt.timedelta(seconds=PATIENCE),
    )
    return system, parts.netloc


def _azure(parts: SplitResult, options: dict[str, str]) -> tuple[pafs.FileSystem, str]:
    """``abfs://container@account.dfs.core.windows.net/prefix``, or ``abfs://container/prefix`` with
    AZURE_STORAGE_ACCOUNT."""
    container, at, host = parts.netloc.partition("@")
    account = host.partition(".")[0] if at else os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    if not account:
        raise UsageError(
            "no storage account is named: set AZURE_STORAGE_ACCOUNT, or write "
            "abfs://container@account.dfs.core.windows.net/prefix"
        )
    how: dict[str, Any] = {}
    if "endpoint_override" in options:
        how["blob_storage_authority"] = how["dfs_storage_authority"] = options["endpoint_override"]
    if "scheme" in options:
        how["blob_storage_scheme"] = how["dfs_storage_scheme"] = options["scheme"]
    if key := os.environ.get("AZURE_STORAGE_KEY"):
        how["account_key"] = key
    elif token := os.environ.get("AZURE_STORAGE_SAS_TOKEN"):
        how["sas_token"] = token
    return pafs.AzureFileSystem(account, **how), container


def _is_on(text: str) -> bool:
    if text.lower() not in ("", "true", "false", "1", "0"):
        raise UsageError(f"anonymous is true or false, not {text!r}")
    return text.lower() in ("true", "1")


class CloudStore:
    """Files below a prefix of a bucket. What `base.Store` says."""

    def __init__(self, kind: str, place: Place, system: pafs.FileSystem, root: str) -> None:
        """``root``: bucket and prefix, as the file system names them."""
        self._kind = kind
        self.place = place
        self._system = system
        self._root = root
        self._tags: dict[str, Any] = {}

    def listed(self) -> dict[str, Version]:
        """Whole tables; of what is no table, as much as a hint needs."""
        found: dict[str, Version] = {}
        try:
            for info in self._below(self._root):
                stranger = (
                    info.type == pafs.FileType.Directory
                    and table_of(folder_stem(info.base_name)) is None
                )
                for each in self._files(info, depth=2 if stranger else None):
                    found[each.path.removeprefix(f"{self._root}/")] = _version(each)
        except OSError as error:
            self._explain_nothing(error)
            raise self._failure(error) from error
        if not found:
            self._explain_nothing(None)
        return found

    def is_still(self, path: str, listed: Version) -> bool:
        """By size and time; by the store's own mark as well, where it has one."""

        def look() -> tuple[Version, Any]:
            info = self._system.get_file_info(f"{self._root}/{path}")
            if info.type != pafs.FileType.File:
                return Version(None, "gone"), None
            with self._system.open_input_file(f"{self._root}/{path}") as file:
                return _version(info), _tag(file)

        version, tag = retried(look, self._failure)
        return version == listed and self._tags.get(path, tag) == tag

    def open(self, path: str, listed: Version) -> IO[bytes]:
        """The bytes by requests for ranges of them."""
        full, shown = f"{self._root}/{path}", f"{self.place}/{path}"
        file = retried(lambda: self._system.open_input_file(full), self._failure)
        tag = _tag(file)
        if file.size() != listed.size or self._tags.setdefault(path, tag) != tag:
            file.close()
            raise changed(shown)

        def read(offset: int, size: int) -> bytes:
            data: bytes = file.read_at(size, offset)
            if len(data) < size:
                raise changed(shown)
            return data

        return io.BufferedReader(Retrying(file.size(), read, self._failure, file.close), BUFFER)

    def _below(self, folder: str) -> list[Any]:
        found: list[Any] = self._system.get_file_info(pafs.FileSelector(folder))
        names = ((info, info.base_name) for info in found)
        return [info for info, name in names if log_of(name) or not is_no_data(name)]

    def _files(self, info: Any, depth: int | None) -> Iterator[Any]:
        if info.type == pafs.FileType.File:
            yield info
        elif depth is None:
            every = self._system.get_file_info(pafs.FileSelector(info.path, recursive=True))
            yield from (each for each in every if each.type == pafs.FileType.File)
        elif depth > 0:
            below = (
                each for inner in self._below(info.path) for each in self._files(inner, depth - 1)
            )
            yield from islice(below, STRANGERS)

    def _explain_nothing(self, error: OSError | None) -> None:
        """Raise what is wrong with an address where nothing was found, if that can be known."""
        if error is not None and not isinstance(error, FileNotFoundError):
            return
        try:
            info = self._system.get_file_info(self._root)
        except OSError as other:
            raise self._failure(other) from other
        if info.type == pafs.FileType.File:
            raise UsageError(f"{self.place} is a file: name the folder that it is in")
        raise UsageError(f"there is nothing at {self.place}")

    def _failure(self, error: OSError) -> CoffeeshopError:
        return _failure(self._kind, self.place, self._root.partition("/")[0], error)


def _version(info: Any) -> Version:
    return Version(info.size, str(info.mtime_ns))


def _tag(file: Any) -> Any:
    """The store's mark of the content, where it has one."""
    known = file.metadata() or {}
    return next((known[name] for name in ("ETag", b"ETag") if name in known), None)


def _failure(kind: str, place: Place, bucket: str, error: OSError) -> CoffeeshopError:
    """What an error of the library means, in plain words."""
    text = str(error)
    short = _NOISE.sub("", text.splitlines()[0] if text else "no reason given")
    if _NO_BUCKET.search(text):
        return UsageError(f"{place}: there is no bucket {bucket}")
    if _NOT_VALID.search(text):
        return _hinted(Forbidden(f"{place}: the credentials are not valid ({short})"), kind)
    if _DENIED.search(text):
        if kind == "s3" and not _has_aws_credentials():
            return _hinted(
                Forbidden(f"{place}: access denied, and no credentials were found"), kind
            )
        return _hinted(Forbidden(f"{place}: access denied to these credentials"), kind)
    if _REGION.search(text):
        return UsageError(f"{place}: the bucket is in another region: add ?region=NAME")
    if _RANGE.search(text):
        return changed(str(place))
    if isinstance(error, FileNotFoundError):
        return BadData("is not there any more", file=str(place))
    if _AWAY.search(text):
        return Unreachable(f"{place} does not answer: {short}")
    return UsageError(f"{place} cannot be read: {short}")


def _hinted(error: CoffeeshopError, kind: str) -> CoffeeshopError:
    error.hint = _ADVICE[kind]
    return error


def _has_aws_credentials() -> bool:
    """Whether the usual places have any; a machine's role is not looked for."""
    if any(os.environ.get(name) for name in _AWS_VARIABLES):
        return True
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    return os.path.exists(os.path.expanduser(file))
