"""The native scanner, where it was built: ``scan.c`` scans, ``module.c`` makes it a module.

It is optional. Without a C compiler, or on a platform that it was not built for, the columnar
parser reads everything.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import Any

_scan: Any = None
with suppress(ImportError):
    _scan = import_module("coffeeshop.reading.native._scan")
_switched_off = False


def switch_off() -> None:
    """Let the columnar parser read everything in this process from now on."""
    global _switched_off
    _switched_off = True


def in_use() -> Any:
    """The scanner's module; None where there is none or it was switched off."""
    return None if _switched_off else _scan


def description() -> str:
    """What reads plain CSV in this process, in words."""
    if _scan is None:
        return "columnar (the native one was not built: install again with a C compiler)"
    if _switched_off:
        return "columnar (the native one is switched off)"
    return f"native, {_scan.vectors()}"
