"""The parameters of the four questions: what the years, hours, amount and number of users are.

A session's specification has them as one line of JSON, which is empty for those that the questions
have always had.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from coffeeshop.errors import UsageError

MOST_YEARS = 50
MOST_USERS = 1000
SECONDS_PER_DAY = 86_400
_LARGEST_AMOUNT = 10_000_000
_YEARS = re.compile(r"(\d{4})(?:-(\d{4}))?")
_HOURS = re.compile(r"(\d\d):(\d\d)(?::(\d\d))?-(\d\d):(\d\d)(?::(\d\d))?")


@dataclass(frozen=True)
class Parameters:
    """What the four questions ask for. Amounts are thousandths, times seconds since midnight."""

    first_year: int = 2024
    last_year: int = 2025
    opening: int = 6 * 3600
    """First second of the day that counts."""
    closing: int = 23 * 3600
    """Last second of the day that counts."""
    least_amount: int = 75_000
    """Query 1's least final amount."""
    top: int = 3
    """Users per store in query 4."""

    @property
    def years(self) -> str:
        """``2024-2025``, or ``2024`` for one."""
        first, last = self.first_year, self.last_year
        return str(first) if first == last else f"{first}-{last}"

    @property
    def hours(self) -> str:
        """``06:00:00-23:00:00``."""
        return f"{_clock(self.opening)}-{_clock(self.closing)}"

    @property
    def min_amount(self) -> str:
        """``75``: units, exactly."""
        whole, rest = divmod(self.least_amount, 1000)
        return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")

    def shown(self) -> dict[str, Any]:
        """As people and the API write them."""
        return {
            "years": self.years,
            "hours": self.hours,
            "min_amount": self.min_amount,
            "top": self.top,
        }

    def text(self) -> str:
        """One line of JSON; empty for those that the questions have always had."""
        return "" if self == Parameters() else json.dumps(self.shown(), sort_keys=True)

    @staticmethod
    def of_text(text: str) -> Parameters:
        """The inverse of `text`; raises `UsageError` for anything else."""
        return _of_text(text)

    @staticmethod
    def of(
        *,
        years: str | None = None,
        hours: str | None = None,
        min_amount: str | None = None,
        top: int | None = None,
    ) -> Parameters:
        """Parameters as people write them; None: as it has always been. Raises `UsageError`."""
        known = Parameters()
        first, last = (known.first_year, known.last_year) if years is None else _years(years)
        opening, closing = (known.opening, known.closing) if hours is None else _hours(hours)
        least = known.least_amount if min_amount is None else _amount(min_amount)
        number = known.top if top is None else top
        if not 1 <= number <= MOST_USERS:
            raise UsageError(f"top is 1 to {MOST_USERS}, not {number}")
        return Parameters(first, last, opening, closing, least, number)


def currency_of(text: str) -> str:
    """The ISO code of a currency, as ``EUR``; empty for none. Raises `UsageError`."""
    code = text.strip().upper()
    if code and not re.fullmatch(r"[A-Z]{3}", code):
        raise UsageError(f"a currency is a code of three letters, as EUR, not {text!r}")
    return code


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _years(text: str) -> tuple[int, int]:
    found = _YEARS.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"years are written 2024 or 2023-2025, not {text!r}")
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last:
        raise UsageError(f"years go from the first to the last, not {text}")
    if last - first >= MOST_YEARS:
        raise UsageError(f"years are up to {MOST_YEARS}, not {last - first + 1}")
    return first, last


def _hours(text: str) -> tuple[int, int]:
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"hours are written 07:00-22:00 or 07:00:00-21:59:59, not {text!r}")
    parts = [int(each or 0) for each in found.groups()]
    if any(part > most for part, most in zip(parts, (23, 59, 59) * 2, strict=True)):
        raise UsageError(f"there are no such hours: {text}")
    opening = parts[0] * 3600 + parts[1] * 60 + parts[2]
    closing = parts[3] * 3600 + parts[4] * 60 + parts[5]
    if opening > closing:
        raise UsageError(f"hours go from the first to the last of one day, not {text}")
    return opening, closing


def _amount(text: str) -> int:
    try:
        amount = Decimal(text.strip())
        thousandths = amount * 1000
        if 0 <= amount <= _LARGEST_AMOUNT and thousandths == int(thousandths):
            return int(thousandths)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise UsageError(
        f"the least amount is 0 to {_LARGEST_AMOUNT:,} with up to three decimals, not {text!r}"
    )


@lru_cache(maxsize=256)
def _of_text(text: str) -> Parameters:
    if not text:
        return Parameters()
    try:
        fields = json.loads(text)
        return Parameters.of(**fields)
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"not parameters: {text[:200]!r}") from error
