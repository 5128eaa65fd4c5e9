"""`login` keeps a gateway and a token, for its owner and that gateway only."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from coffeeshop.gateway.security.access import Access
from coffeeshop.gateway.security.tokens import Tokens, line_of, new_token
from tests.acceptance.command import WIDE, Run, found, ok, runner
from tests.running import Running, running


@dataclass
class Guarded:
    """A gateway with tokens, and one that it knows."""

    system: Running
    token: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    token = new_token()
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(line_of("north", token, admin=False) + "\n")
    with running(access=Access(Tokens(file))) as system:
        yield Guarded(system, token)


@pytest.fixture
def home(tmp_path: Path, guarded: Guarded) -> Run:
    """Runs commands of a user with a home of their own and the token in a file."""
    (tmp_path / "token").write_text(guarded.token)
    return runner(tmp_path, HOME=str(tmp_path / "home"), XDG_CONFIG_HOME="", **WIDE)


def test_what_login_keeps_is_used_by_later_commands_and_forgotten_by_logout(
    home: Run, guarded: Guarded, data: Path, tmp_path: Path
) -> None:
    url = guarded.system.url
    kept = tmp_path / "home" / ".config" / "coffeeshop" / "login.json"
    said = ok(home("login", url + "/", "--token-file", "token"))
    assert said == f"logged in to {url} as north; kept in {kept}\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert found(home("sessions", "--json")) == []
    summary = found(home("submit", str(data), "--json"))
    assert [each["id"] for each in found(home("sessions", "--json"))] == [summary["session"]]
    # Options and the environment win, an empty one too: then it is analysed here.
    here = found(home("submit", str(data), "--json", COFFEESHOP_GATEWAY=""))
    also = found(home("submit", str(data), "--json", "--gateway", ""))
    assert len(found(home("sessions", "--json"))) == 1
    assert len({each["session"] for each in (summary, here, also)}) == 3
    assert home("sessions", COFFEESHOP_TOKEN="wrong").returncode == 5
    assert ok(home("logout")) == "logged out\n"
    assert ok(home("logout")) == "no login is kept\n"
    assert not kept.exists()


def test_no_other_gateway_is_shown_the_token(home: Run, guarded: Guarded, tmp_path: Path) -> None:
    ok(home("login", guarded.system.url, "--token-file", "token"))
    with running(access=_other(tmp_path)) as other:
        assert home("sessions", "--gateway", other.url).returncode == 5
        assert "no token given" in home("sessions", "--gateway", other.url).stderr


def _other(directory: Path) -> Access:
    file = directory / "others"
    file.write_text(line_of("south", new_token(), admin=False) + "\n")
    return Access(Tokens(file))


@pytest.mark.parametrize(("shown", "words"), [(None, "no token given"), ("x", "invalid token")])
def test_a_token_that_is_missing_or_wrong_is_not_kept(
    home: Run, guarded: Guarded, tmp_path: Path, shown: str | None, words: str
) -> None:
    (tmp_path / "wrong").write_text(shown or "")
    options = () if shown is None else ("--token-file", "wrong")
    done = home("login", guarded.system.url, *options)
    assert done.returncode == 5
    assert words in done.stderr
    assert not (tmp_path / "home").exists()


def test_without_a_home_everything_else_works(
    run: Run, guarded: Guarded, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(guarded.token)
    nowhere = {"HOME": "", "XDG_CONFIG_HOME": ""}
    done = run("login", guarded.system.url, "--token-file", "token", **nowhere)
    assert done.returncode == 2
    assert "XDG_CONFIG_HOME" in done.stderr
    ok(run("submit", str(data), "-q", **nowhere))
    ok(run("logout", **nowhere))


def test_a_file_that_is_no_login_is_said_without_what_is_in_it(home: Run, tmp_path: Path) -> None:
    file = tmp_path / "home" / ".config" / "coffeeshop" / "login.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(["secret"]))
    done = home("sessions")
    assert done.returncode == 2
    assert "coffeeshop logout" in done.stderr
    assert "secret" not in done.stderr
    assert ok(home("logout")) == "logged out\n"
