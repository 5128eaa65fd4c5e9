"""Some seconds of `make fuzz`."""

from __future__ import annotations

import os
import shutil

import pytest

from coffeeshop.reading import native
from tests.fuzz.run import COMPILER, fuzz


def test_a_fuzzer_finds_no_block_that_the_two_read_differently() -> None:
    if shutil.which(COMPILER) is None:
        reason = f"NOT FUZZED: {COMPILER} is not installed"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    if native.in_use() is None:
        pytest.skip("the native scanner was not built, or is switched off")
    seed = 3
    print(f"seed {seed}")
    assert fuzz(seconds=8, seed=seed) > 50
