"""A data folder in a bucket of a real S3 server: the same answers, and plain words for trouble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import boto3
import httpx2 as httpx
import pytest

import coffeeshop
from coffeeshop.errors import BadData, CoffeeshopError, Forbidden, Unreachable, UsageError
from coffeeshop.reading.blocks import blocks_of
from coffeeshop.reading.stores import base, open_address
from coffeeshop.reading.stores.cloud import CloudStore
from coffeeshop.schema import TABLES
from tests.acceptance.command import files_of, ok, runner
from tests.running import running
from tests.stores.conftest import BUCKET, S3, Written, surroundings
from tests.stores.cutting import CuttingProxy

Answer = Callable[[Path | str], Written]


@pytest.mark.parametrize("kind", ["flat", "small", "packed"])
def test_the_answers_are_those_of_the_same_folder_on_this_machine(
    s3: S3, kind: str, answered: Answer, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(kind)
    address = s3.put(f"same/{kind}", folder)
    assert answered(address) == answered(folder)


def test_the_command_reads_a_bucket_here_and_for_a_gateway(
    s3: S3, small: Path, tmp_path: Path
) -> None:
    address = s3.put("command/shop", small)
    run = runner(tmp_path, **surroundings(s3))
    ok(run("submit", "--data-folder", str(small), "-q", "--output-dir", "local"))
    assert "results in results/shop" in ok(run("submit", "--data-folder", f"{address}/"))
    with running() as system:
        ok(run("submit", address, "-q", "--output-dir", "there", "--gateway", system.url))
        assert system.client().sessions()[0]["name"] == "shop"
    expected = files_of(tmp_path / "local")
    assert files_of(tmp_path / "results" / "shop") == expected
    assert files_of(tmp_path / "there") == expected


def test_a_bad_row_is_named_with_its_address_and_line(s3: S3, small: Path) -> None:
    address = s3.put("bad", small)
    rows = b"store_id,store_name\n1,One\nx,Two\n"
    s3.system.delete_dir(f"{BUCKET}/bad/stores")
    s3.write("bad/stores/stores.csv", rows)
    with coffeeshop.Client("memory:") as client, pytest.raises(BadData) as caught:
        client.submit(address)
    assert str(caught.value).startswith(f"{address}/stores/stores.csv, line 3, column store_id")


@pytest.mark.parametrize(
    ("address", "kind", "words"),
    [
        ("s3://nobody/x", UsageError, "s3://nobody/x: there is no bucket nobody"),
        ("s3://shop/nothing", UsageError, "there is nothing at s3://shop/nothing"),
        ("s3://shop/words/a.txt", UsageError, "is a file: name the folder that it is in"),
        ("s3://shop/words", BadData, "no table found"),
        ("s3://", UsageError, "no bucket is named"),
        ("s3://key:secret@shop/x", UsageError, "use s3://shop/x, and the usual variables"),
        ("s3://shop/x?regoin=a", UsageError, "did you mean 'region'"),
        ("s3x://shop/x", UsageError, "data is not read from s3x://"),
    ],
)
def test_a_wrong_address_is_told_in_plain_words(
    s3: S3, address: str, kind: type[CoffeeshopError], words: str
) -> None:
    s3.write("words/a.txt", b"a")
    with pytest.raises(kind) as caught:
        open_address(address)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_wrong_credentials_and_ones_without_rights_are_told_apart(
    s3: S3, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = s3.put("denied", small)
    iam = boto3.client("iam", endpoint_url=s3.endpoint, region_name="us-east-1")
    iam.create_user(UserName="guest")
    guest = iam.create_access_key(UserName="guest")["AccessKey"]
    iam.close()
    httpx.post(f"{s3.endpoint}/moto-api/reset-auth", content=b"0")  # from now on it looks at them
    try:
        with pytest.raises(Forbidden, match="the credentials are not valid"):
            open_address(address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", guest["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", guest["SecretAccessKey"])
        with pytest.raises(Forbidden, match="access denied to these credentials"):
            open_address(address)
    finally:
        httpx.post(f"{s3.endpoint}/moto-api/reset-auth", content=b"1000000000")


def test_a_connection_that_is_cut_is_made_again(
    s3: S3, flat: Path, answered: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = s3.put("cut", flat)
    with CuttingProxy(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        proxy.cut_after = 1_000_000
        proxy.refusals = 3  # more than the library's own tries
        assert answered(address) == answered(flat)
        assert proxy.cuts == 1


def test_a_store_that_stays_away_ends_the_session_and_says_so(
    s3: S3, flat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = s3.put("away", flat)
    monkeypatch.setattr(base, "PATIENCE", 0.1)
    with CuttingProxy(s3.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")

        def cut(table: str, rows: int, size: int) -> None:
            proxy.is_away = True
            proxy.cut_after = 0

        with (
            coffeeshop.Client("memory:") as client,
            pytest.raises(Unreachable, match=f"^{address} does not answer"),
        ):
            client.submit(address, on_progress=cut, timeout=60)


def test_an_object_that_was_replaced_after_it_was_listed_is_refused(s3: S3, small: Path) -> None:
    address = s3.put("replaced", small)
    folder = open_address(address)
    s3.write("replaced/users/users.csv", b"user_id,gender,birthdate,registered_at\n")
    changed = [file for file in folder.files["users"] if file.name == "users.csv"]
    assert not changed  # a new object beside the listed ones is not of this run
    [first, *_] = folder.files["users"]
    s3.write(f"replaced/users/{first.name}", b"something else")
    with pytest.raises(BadData, match="changed while it was read"):
        first.open("rb")


def test_an_object_that_is_replaced_by_one_of_the_same_size_is_noticed(s3: S3, small: Path) -> None:
    """At once, and so with the same time in the listing: the store's own mark differs."""
    address = s3.put("same-size", small)
    [file] = open_address(address).files["stores"]
    [block] = blocks_of(TABLES["stores"], file)
    assert isinstance(file, base.StoredFile)
    file.verify()
    content = bytearray(small.joinpath("stores", file.name).read_bytes())
    content[-2:-1] = b"9" if content[-2:-1] != b"9" else b"8"
    s3.write(f"same-size/stores/{file.name}", bytes(content))
    now = file.store.listed()[file.path]
    with pytest.raises(BadData, match=f"^{address}/stores/{file.name}: changed while it was read"):
        replace(file, listed=now).verify()
    block.release()


def test_a_session_whose_input_is_replaced_while_it_is_read_has_no_results(
    s3: S3, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = s3.put("meanwhile", small)
    opened = CloudStore.open

    def replaced(self: CloudStore, path: str, listed: base.Version) -> IO[bytes]:
        found = opened(self, path, listed)
        if path.startswith("users/"):
            content = small.joinpath(path).read_bytes()
            s3.write(f"meanwhile/{path}", content.swapcase())  # which is as good
        return found

    monkeypatch.setattr(CloudStore, "open", replaced)
    with coffeeshop.Client("memory:") as client, pytest.raises(BadData, match="changed while"):
        client.submit(address, timeout=60)
