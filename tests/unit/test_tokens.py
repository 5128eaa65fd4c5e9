"""Tokens: made, kept as hashes, found again, read anew when their file changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coffeeshop.errors import UsageError
from coffeeshop.gateway.security import tokens as module
from coffeeshop.gateway.security.tokens import (
    Client,
    Tokens,
    hash_of,
    line_of,
    new_token,
    read_tokens,
)

ALICE, OPS = new_token(), new_token()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "tokens"
    lines = ("# who may", line_of("alice", ALICE), "", line_of("ops", OPS, admin=True) + "  # us")
    made.write_text("\n".join(lines))
    return made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    entries: list[tuple[str, dict[str, object]]] = []

    class Log:
        def info(self, event: str, **fields: object) -> None:
            entries.append((event, fields))

        error = info

    monkeypatch.setattr(module, "log", Log())
    return entries


def test_a_token_is_long_and_never_the_same() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert {len(each) for each in made} == {len("coffeeshop_") + 43}
    assert all(each.startswith("coffeeshop_") for each in made)


def test_a_token_stands_for_its_client(file: Path) -> None:
    tokens = Tokens(file)
    assert tokens.client_of(ALICE) == Client("alice")
    assert tokens.client_of(OPS) == Client("ops", admin=True)


@pytest.mark.parametrize(
    "wrong",
    ["", "x", ALICE[:-1], ALICE + "x", hash_of(ALICE), "é\udce9\0"],
    ids=["empty", "short", "cut off", "longer", "its hash", "no text"],
)
def test_any_other_text_stands_for_nobody(file: Path, wrong: str) -> None:
    assert Tokens(file).client_of(wrong) is None


def test_the_file_does_not_hold_the_token(file: Path) -> None:
    assert ALICE not in file.read_text()
    assert ALICE.removeprefix("coffeeshop_") not in file.read_text()


def test_a_name_may_have_several_tokens(file: Path) -> None:
    other = new_token()
    file.write_text(f"{line_of('alice', ALICE)}\n{line_of('alice', other)}\n")
    tokens = Tokens(file)
    assert tokens.client_of(ALICE) == tokens.client_of(other) == Client("alice")


@pytest.mark.parametrize("name", ["", " ", "a b", "../x", "a/b", "é", "#x", "-x", "a" * 65, "a\n"])
def test_a_name_that_would_not_fit_in_a_line_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="a name has"):
        line_of(name, ALICE)


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        "alice client",
        f"alice client {ALICE}",
        f"alice root {hash_of(ALICE)}",
        f"alice client {hash_of(ALICE)} more",
        f"alice client {hash_of(ALICE).upper()}",
        f"alice client {hash_of(ALICE)[:-1]}",
        f"a/b client {hash_of(ALICE)}",
    ],
    ids=["name", "no hash", "a token", "no kind", "more", "upper case", "cut off", "no name"],
)
def test_a_wrong_line_is_named_and_not_shown(file: Path, line: str) -> None:
    file.write_text(f"# first\n{line}\n")
    with pytest.raises(UsageError, match="line 2") as error:
        read_tokens(file)
    assert ALICE not in str(error.value)
    assert hash_of(ALICE) not in str(error.value)


def test_one_token_is_not_two_clients(file: Path) -> None:
    file.write_text(f"{line_of('alice', ALICE)}\n{line_of('bob', ALICE)}\n")
    with pytest.raises(UsageError, match="line 2: the same token as on another line"):
        read_tokens(file)
    file.write_text(f"{line_of('alice', ALICE)}\n{line_of('alice', ALICE)}\n")
    assert len(read_tokens(file)) == 1


@pytest.mark.parametrize("text", [b"", b"# nobody\n", b"\xff\xfe", b"#" * ((1 << 20) + 1)])
def test_a_file_without_any_token_is_refused(file: Path, text: bytes) -> None:
    file.write_bytes(text)
    with pytest.raises(UsageError, match="tokens file"):
        Tokens(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        Tokens(tmp_path / "none")


def test_a_changed_file_is_read_at_once(
    file: Path, said: list[tuple[str, dict[str, object]]]
) -> None:
    tokens = Tokens(file)
    bob = new_token()
    file.write_text(line_of("bob", bob))
    assert tokens.client_of(bob) == Client("bob")
    assert tokens.client_of(ALICE) is None
    assert said == [("gateway.tokens_read", {"tokens": 1})]


def test_a_file_is_read_again_when_somebody_says_so(file: Path) -> None:
    tokens = Tokens(file)
    before = file.stat()
    bob = new_token()
    text = file.read_text().replace(hash_of(ALICE), hash_of(bob))
    file.write_text(text)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if nothing had changed
    assert tokens.client_of(bob) is None
    tokens.reread()
    assert tokens.client_of(bob) == Client("alice")


@pytest.mark.parametrize("how", ["broken", "gone"])
def test_a_file_that_is_spoiled_later_changes_nothing_and_is_told_of_once(
    file: Path, said: list[tuple[str, dict[str, object]]], how: str
) -> None:
    tokens = Tokens(file)
    if how == "broken":
        file.write_text(f"alice client {ALICE}\n")
    else:
        file.unlink()
    for _ in range(3):
        assert tokens.client_of(ALICE) == Client("alice")
    assert [event for event, _ in said] == ["gateway.tokens_not_read"]
    assert ALICE not in str(said)
