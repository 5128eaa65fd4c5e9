"""Some seconds of `make fuzz`."""

from __future__ import annotations

import os
import shutil

import pytest

from coffeeshop.reading import native
from tests.fuzz.run import COMPILER, fuzz, fuzz_kernels


def need_the_compiler() -> None:
    if shutil.which(COMPILER) is None:
        reason = f"NOT FUZZED: {COMPILER} is not installed"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)


def test_a_fuzzer_finds_no_call_of_a_kernel_that_is_answered_wrongly() -> None:
    need_the_compiler()
    seed = 5
    print(f"seed {seed}")
    assert fuzz_kernels(seconds=3, seed=seed) > 20


def test_a_fuzzer_finds_no_block_that_the_two_read_differently() -> None:
    need_the_compiler()
    if native.in_use() is None:
        pytest.skip("the native scanner was not built, or is switched off")
    seed = 3
    print(f"seed {seed}")
    assert fuzz(seconds=8, seed=seed) > 50
