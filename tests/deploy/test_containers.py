"""A fresh checkout's `docker compose run client`: its services as processes, up to an answer."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coffeeshop.generate import generate
from tests.deploy.containers import IS_ROOT, Containers, project, read
from tests.deploy.stack import ROOT
from tests.oracle import answers

OWNER = 4321
"""Who has the checkout, where this test may be several users."""


@pytest.fixture
def checkout() -> Iterator[Path]:
    """As much of a checkout as compose mounts, with a data set; where every user may look."""
    top = Path("/tmp") / f"coffeeshop-containers-{os.getpid()}"
    root = top / "checkout"
    shutil.rmtree(top, ignore_errors=True)
    (root / "deploy").mkdir(parents=True)
    shutil.copytree(ROOT / "scripts", root / "scripts")
    for name in ("compose.yaml", "deploy/rabbitmq.conf"):
        shutil.copy(ROOT / name, root / name)
    generate(root / ".data" / "dataset1", transactions=3_000, seed=9, layout="dirs")
    try:
        yield root
    finally:
        shutil.rmtree(top)


def give(folder: Path, user: int) -> None:
    """Make somebody the owner of all that is in a folder."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, user)


def check_answer(made: Containers) -> None:
    found = made.run("client", "--data-folder", "dataset1", "--verbose")
    assert found.returncode == 0, found.stderr
    assert "client.completed" in found.stderr
    results = made.checkout / "results" / "dataset1"
    for name, text in answers(made.checkout / ".data" / "dataset1").items():
        assert (results / name).read_text() == text


@pytest.mark.usefixtures("broker")  # skips or fails where there is no RabbitMQ
def test_the_clients_command_alone_brings_an_answer_on_a_fresh_checkout(checkout: Path) -> None:
    if IS_ROOT:
        give(checkout, OWNER)
    with project(checkout, checkout.parent / "volumes") as made:
        check_answer(made)
        said = made.done["prepare"].stderr
        assert "its token: docker compose run --rm token" in said
        token = made.run("token").stdout.strip()
        assert token.startswith("coffeeshop_")
        assert token == read(made.folder("prepare", "/srv/secrets/admin") / "admin_token")[0]
        assert token not in said, "logs are read by more people than tokens are for"
    written = dict(line.split("=") for line in read(checkout / ".env"))
    owner = checkout.stat().st_uid if checkout.stat().st_uid != 0 else 1000
    assert written["USER_ID"] == str(owner)


@pytest.mark.skipif(not IS_ROOT, reason="only root is several users")
def test_what_root_left_in_results_is_given_to_who_runs_the_client(checkout: Path) -> None:
    old = checkout / "results" / "dataset1" / "query3.csv"
    old.parent.mkdir(parents=True)
    old.write_text("old\n")
    (checkout / ".env").write_text("COFFEESHOP_GATEWAY_PORT=9001")  # without a newline
    prepared(checkout, checkout.parent / "volumes")
    assert {path.stat().st_uid for path in (old, old.parent, checkout / "results")} == {1000}
    lines = ["COFFEESHOP_GATEWAY_PORT=9001", "USER_ID=1000", "GROUP_ID=1000"]
    assert read(checkout / ".env") == lines


@pytest.mark.skipif(not IS_ROOT, reason="only root is several users")
def test_where_the_first_client_is_not_yet_the_owner_both_can_use_the_results(
    checkout: Path,
) -> None:
    give(checkout, OWNER)
    made = prepared(checkout, checkout.parent / "volumes")
    assert stat.S_IMODE((checkout / "results").stat().st_mode) == 0o1777
    assert read(checkout / ".env") == [f"USER_ID={OWNER}", f"GROUP_ID={OWNER}"]
    assert (checkout / ".env").stat().st_uid == OWNER
    made.done.clear()
    made.start("prepare")
    assert len(read(checkout / ".env")) == 2, "it is written once"


def prepared(checkout: Path, volumes: Path) -> Containers:
    with project(checkout, volumes) as made:
        made.start("prepare")
    return made


def test_each_service_sees_its_own_secrets_only(checkout: Path) -> None:
    made = prepared(checkout, checkout.parent / "volumes")
    seen = {
        name: sorted(file.name for file in made.folder(name, "/run/secrets").iterdir())
        for name in ("worker", "client", "prometheus", "grafana")
    }
    assert seen == {
        "worker": ["broker_url"],
        "client": ["client_token"],
        "prometheus": ["admin_token"],
        "grafana": ["grafana_password"],
    }
    everything = [file for file in made.volumes.rglob("*") if file.is_file()]
    modes = {stat.S_IMODE(f.stat().st_mode) for f in everything if "log" not in f.suffix}
    assert modes == {0o444}


def test_files_of_make_secrets_take_the_place_of_those_on_the_volume(checkout: Path) -> None:
    made = prepared(checkout, checkout.parent / "volumes")
    before = read(made.folder("client", "/run/secrets") / "client_token")
    subprocess.run(
        ["sh", str(checkout / "scripts" / "secrets.sh")], check=True, capture_output=True
    )
    made.done.clear()
    made.start("prepare")
    after = read(made.folder("client", "/run/secrets") / "client_token")
    assert before != after == read(checkout / "deploy" / "secrets" / "client_token")
    (url,) = read(made.folder("worker", "/run/secrets") / "broker_url")
    user = read(made.folder("rabbitmq", "/etc/rabbitmq/conf.d") / "60-user.conf")
    assert url.split(":")[2].split("@")[0] == user[1].rpartition(" ")[2]
