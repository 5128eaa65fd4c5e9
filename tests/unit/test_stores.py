"""Addresses of data folders, and what the errors of object stores mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from coffeeshop.errors import (
    BadData,
    CoffeeshopError,
    Forbidden,
    Unreachable,
    UsageError,
)
from coffeeshop.reading.file import is_address, place_at
from coffeeshop.reading.stores import base, cloud

PLACE = place_at("s3://shop/main/?region=eu-west-1")
AWS = "When listing objects under key 'main' in bucket 'shop': AWS Error {} operation: {}"


def test_a_place_is_an_address_without_its_options() -> None:
    assert (str(PLACE), PLACE.name) == ("s3://shop/main", "main")
    assert place_at("s3://shop").name == "shop"


@pytest.mark.parametrize(
    ("text", "yes"),
    [("s3://a/b", True), ("HTTPS://a", True), ("a/b", False), ("C:\\a", False), ("a//b", False)],
)
def test_an_address_is_told_from_a_path(text: str, yes: bool) -> None:
    assert is_address(text) is yes


@pytest.mark.parametrize(
    ("kind", "text", "meant"),
    [
        ("s3", AWS.format("NO_SUCH_BUCKET during ListObjectsV2", "none"), UsageError),
        ("s3", AWS.format("ACCESS_DENIED during HeadObject", "No response body."), Forbidden),
        ("s3", AWS.format("INVALID_ACCESS_KEY_ID during ListObjectsV2", ""), Forbidden),
        ("s3", AWS.format("UNKNOWN (HTTP status 301) during HeadBucket", ""), UsageError),
        ("s3", AWS.format("UNKNOWN (HTTP status 416) during GetObject", ""), BadData),
        ("s3", AWS.format("NETWORK_CONNECTION during GetObject", "curlCode: 28"), Unreachable),
        ("s3", AWS.format("SLOW_DOWN during GetObject", ""), Unreachable),
        ("gs", "google::cloud::Status(PERMISSION_DENIED: Permanent error)", Forbidden),
        ("gs", "google::cloud::Status(UNAVAILABLE: curl error code=6)", Unreachable),
        ("abfs", "GetProperties failed. Azure Error: [ContainerNotFound] 404", UsageError),
        ("abfs", "Azure Error: [AuthorizationFailure] 403 This request is not", Forbidden),
        ("s3", "something new", UsageError),
    ],
)
def test_an_error_of_a_library_has_a_meaning(
    kind: str, text: str, meant: type[CoffeeshopError]
) -> None:
    found = cloud._failure(kind, PLACE, "shop", OSError(text))
    assert type(found) is meant
    assert str(found).startswith("s3://shop/main")


def test_who_has_no_credentials_is_told_where_they_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in cloud._AWS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    denied = OSError(AWS.format("ACCESS_DENIED during ListObjectsV2", "Access Denied"))
    found = cloud._failure("s3", PLACE, "shop", denied)
    assert str(found) == "s3://shop/main: access denied, and no credentials were found"
    assert "AWS_PROFILE" in found.hint
    assert "anonymous=true" in found.hint
    (tmp_path / "none").write_text("[default]")
    assert "to these credentials" in str(cloud._failure("s3", PLACE, "shop", denied))


@pytest.mark.parametrize(
    "address",
    ["abfs://data/shop", "abfss://data/shop"],
)
def test_an_azure_folder_needs_an_account(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT", raising=False)
    with pytest.raises(UsageError, match="no storage account is named"):
        cloud.cloud_store(address)


def test_stores_of_google_and_azure_are_made_without_asking_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert str(cloud.cloud_store("gs://shop/main?anonymous=true").place) == "gs://shop/main"
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    found = cloud.cloud_store("abfs://data@account.dfs.core.windows.net/shop/")
    assert found.place.name == "shop"


def test_a_read_is_repeated_only_while_an_answer_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base.time, "sleep", lambda seconds: None)
    tries: list[int] = []

    def fails(times: int, error: CoffeeshopError) -> int:
        tries.clear()

        def work() -> int:
            tries.append(1)
            if len(tries) <= times:
                raise OSError("cut")
            return len(tries)

        return base.retried(work, lambda _: error)

    assert fails(3, Unreachable("away")) == 4
    with pytest.raises(Forbidden):
        fails(3, Forbidden("no"))
    assert len(tries) == 1
    monkeypatch.setattr(base, "PATIENCE", 0.0)
    with pytest.raises(Unreachable):
        fails(1, Unreachable("away"))
