"""Tokens as the client and the command line take and make them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from coffeeshop.client.gateway import GatewayClient
from coffeeshop.errors import Forbidden, UsageError
from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens
from tests.acceptance.access.requests import ALICE, BOB
from tests.acceptance.command import WIDE
from tests.acceptance.command import command as command_line
from tests.acceptance.command import environment as around
from tests.running import Running, running

# The client.


def test_a_client_without_the_right_token_is_told_so_at_once(system: Running) -> None:
    for token in (None, "wrong"):
        with pytest.raises(Forbidden, match="token") as error:
            system.client(token=token).sessions()
        assert error.value.exit_code == 5
    with pytest.raises(Forbidden, match="admin"):
        system.client(token=ALICE).nodes()


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "é", "\x00"])
def test_a_token_that_cannot_be_one_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(UsageError) as error:
        GatewayClient("http://localhost", token=token)
    assert str(error.value) == (
        "the token contains characters that tokens do not have: copy it again"
    )


def test_a_file_that_vouches_for_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("hello")
    for name in ("ca", "none"):
        with pytest.raises(UsageError, match="no CA certificates"):
            GatewayClient("https://localhost", ca_file=tmp_path / name)


# The command line.


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command_line(*arguments),
        env=around(**WIDE, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_shows_its_token_from_a_file_or_the_environment(
    system: Running, completed: str, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{ALICE}\n")
    file, there = str(tmp_path / "token"), {"COFFEESHOP_GATEWAY": system.url}
    for arguments, environment in (
        (("--token-file", file), {}),
        ((), {"COFFEESHOP_TOKEN": ALICE}),
        ((), {"COFFEESHOP_TOKEN_FILE": file}),
        (("--token-file", file), {"COFFEESHOP_TOKEN": BOB}),
    ):
        done = command("sessions", "-q", "--limit", "1000", *arguments, **there, **environment)
        assert completed in done.stdout.split(), done.stderr
    for environment, why in (
        ({}, "no token given"),
        ({"COFFEESHOP_TOKEN": "x"}, "invalid token"),
    ):
        done = command("sessions", **there, **environment)
        assert done.returncode == 5
        assert why in done.stderr
    missing = command("sessions", "--token-file", str(tmp_path / "none"), **there)
    assert missing.returncode == 2


def test_a_token_made_by_the_command_opens_the_gateway(tmp_path: Path) -> None:
    made = json.loads(command("token", "carol", "--json").stdout)
    printed = command("token", "carol", "--admin").stdout
    assert re.fullmatch(
        r"token  coffeeshop_\S{43}\nline   carol admin sha256:[0-9a-f]{64}\n", printed
    )
    (tmp_path / "tokens").write_text(made["line"])
    access = Access(Tokens(tmp_path / "tokens"))
    with running(node=False, access=access) as system:
        assert system.client(token=made["token"]).sessions() == []
    assert command("token", "a b").returncode == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "--tokens"),
        (("--tokens", "none"), "cannot be read"),
        (("--tls-key", "key.pem"), "--tls-cert"),
    ],
)
def test_a_gateway_that_would_let_everybody_in_does_not_start(
    options: tuple[str, ...], said: str
) -> None:
    done = command("run-node", "--type", "gateway", *options)
    assert done.returncode == 2
    assert said in done.stderr
