"""One S3 server for all tests of this package, and a data set that every store has."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

import coffeeshop
from coffeeshop.generate import generate

BUCKET = "shop"
Written = dict[str, bytes]


class S3:
    """The server, and what is put there."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.endpoint = f"http://127.0.0.1:{port}"
        how: dict[str, Any] = {"access_key": "test", "secret_key": "test", "region": "us-east-1"}
        self.system = pafs.S3FileSystem(
            endpoint_override=self.endpoint, allow_bucket_creation=True, **how
        )
        self.system.create_dir(BUCKET)

    def put(self, prefix: str, folder: Path) -> str:
        """Copy a folder there; gives its address."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                self.write(f"{prefix}/{file.relative_to(folder).as_posix()}", file.read_bytes())
        return f"s3://{BUCKET}/{prefix}"

    def write(self, key: str, content: bytes) -> None:
        """Put one object."""
        with self.system.open_output_stream(f"{BUCKET}/{key}", compression=None) as out:
            out.write(content)


@pytest.fixture(scope="package")
def server() -> Iterator[S3]:
    """A real S3 server in a process of its own."""
    command = [sys.executable, str(Path(__file__).with_name("s3_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield S3(int(process.stdout.readline()))
        finally:
            process.kill()


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The server, which the environment names as the usual variables do."""
    for name, value in surroundings(server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    return server


def surroundings(server: S3) -> dict[str, str]:
    """The environment of a client of the server."""
    return {
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_CONFIG_FILE": "/nonexistent",
    }


@pytest.fixture(scope="package")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a file a table, one of them of more than one block."""
    folder = tmp_path_factory.mktemp("stores") / "flat"
    generate(folder, transactions=50_000, seed=3, layout="flat")
    return folder


@pytest.fixture(scope="package")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data folder with a folder a table."""
    folder = tmp_path_factory.mktemp("stores") / "small"
    generate(folder, transactions=1_000, seed=4, layout="dirs")
    return folder


@pytest.fixture(scope="package")
def packed(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small one, its texts compressed or as Parquet, beside files that are no data."""
    folder = tmp_path_factory.mktemp("stores") / "packed"
    for number, file in enumerate(sorted(small.rglob("*.csv"))):
        target = folder / file.relative_to(small)
        target.parent.mkdir(parents=True, exist_ok=True)
        if number % 2:
            target.with_suffix(".csv.gz").write_bytes(gzip.compress(file.read_bytes()))
        else:
            pq.write_table(pacsv.read_csv(file), target.with_suffix(".parquet"))
    (folder / "README.md").write_text("not read")
    (folder / "_SUCCESS").write_bytes(b"")
    shutil.copy(next(small.rglob("*.csv")), folder / "other.csv")
    return folder


@pytest.fixture(scope="package")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path | str], Written]:
    """What the library answers for a folder, as files."""

    def answer(folder: Path | str) -> Written:
        out = tmp_path_factory.mktemp("answers")
        with coffeeshop.Client("memory:") as client:
            found = client.submit(folder, timeout=60)
        return {file.name: file.read_bytes() for file in found.write(out)}

    return answer
