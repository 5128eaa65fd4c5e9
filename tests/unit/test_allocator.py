"""The allocator's settings."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import pytest

from coffeeshop.allocator import LARGE, tune_malloc


def test_the_c_library_is_told_to_keep_one_arena_and_little_of_what_was_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: dict[int, int] = {}
    library = SimpleNamespace(mallopt=lambda parameter, value: told.update({parameter: value}))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    tune_malloc()
    assert told == {-8: 1, -3: LARGE, -1: LARGE}


def test_the_numbers_are_those_of_this_c_library() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        pytest.skip("a C library without mallopt")
    # 1: it knows the parameter.
    assert [mallopt(parameter, LARGE) for parameter in (-1, -3)] == [1, 1]


@pytest.mark.parametrize("library", [SimpleNamespace(), OSError("no such library")])
def test_another_c_library_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, library: object
) -> None:
    def load(name: object) -> object:
        if isinstance(library, OSError):
            raise library
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    tune_malloc()
