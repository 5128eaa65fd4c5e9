"""The inner loops of filters and folds in C, where they were built: ``fold.c``, and ``module.c``.

They are optional, as the native scanner is. Without them the operators use the columnar library and
numpy, which say the same.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

_fold: Any = None
with suppress(ImportError):
    _fold = import_module("coffeeshop.kernels._fold")
_switched_off = False


def switch_off() -> None:
    """Do without them in this process from now on."""
    global _switched_off
    _switched_off = True


def in_use() -> Any:
    """Their module; None where there is none or it was switched off."""
    return None if _switched_off else _fold
