"""Where the rows of a CSV text end: by the rule of the columnar parser, whatever the text.

A quote opens a quoted part only where a field begins; a doubled quote within it is a quote, any
other ends it, and from there to the next separator quotes are letters like all others. A carriage
return separates like a comma does, but only a newline outside quotes ends what we call a row: the
unit that is cut between, refused and given a line number.

Every text here begins where a row begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from coffeeshop.reading.scanner import plain_rows_end

_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"[^,\r\n]*+|[^",\r\n][^,\r\n]*+|)'
_ROW = rb"%b(?:[,\r]%b)*+" % (_FIELD, _FIELD)
_ROWS = re.compile(rb"(?:%b\n)*+" % _ROW)
_CLOSED = re.compile(rb"(?:%b\n)*+%b" % (_ROW, _ROW))
_EACH = re.compile(rb"%b(?:\n|\Z)" % _ROW)
_QUOTE = ord('"')
_BEFORE_A_FIELD = np.zeros(256, np.bool_)
_BEFORE_A_FIELD[list(b',\r\n"')] = True
_PIECE = 1 << 20
"""Bytes looked at in one go: what is kept of them may take eight times as many."""


def closed(text: bytes | memoryview) -> bool:
    """Whether every quoted part has its end."""
    if plain_rows_end(text) >= 0:
        return True
    text = bytes(text)
    quotes = _alternating_quotes(text)
    if quotes is None:
        return _CLOSED.fullmatch(text) is not None
    return quotes % 2 == 0


def rows_end(text: bytes | memoryview) -> int:
    """Just after the last newline outside quotes; 0 when there is none."""
    # It keeps the interpreter's lock while it looks, which the native one does not.
    if (end := plain_rows_end(text)) >= 0:
        return end
    text = bytes(text)
    end = text.rfind(b"\n") + 1
    quotes = _alternating_quotes(text)
    if quotes is None:
        found = _ROWS.match(text)
        assert found is not None  # it matches nothing, if nothing else
        return found.end()
    quotes -= text.count(b'"', end)
    while quotes % 2 and end:
        previous = text.rfind(b"\n", 0, end - 1) + 1
        quotes -= text.count(b'"', previous, end)
        end = previous
    return end


def rows(text: bytes) -> Iterator[tuple[int, bytes]]:
    """The rows of a closed text with their offsets; the last one may lack its newline."""
    for found in _EACH.finditer(text):
        if found.start() < len(text):
            yield found.start(), found[0]


def _alternating_quotes(text: bytes) -> int | None:
    """How many quotes there are; None unless they open and close in turn.

    They do when every second one, from the first, is where a field begins, or just behind another
    (the second sign of a doubled quote). That takes a tenth of the time of reading the fields.
    """
    if b'"' not in text:
        return 0
    signs = np.frombuffer(text, np.uint8)
    quotes = 0
    for start in range(0, len(text), _PIECE):
        places = np.flatnonzero(signs[start : start + _PIECE] == _QUOTE) + start
        opening = places[quotes % 2 :: 2]
        # Before the first sign there is the last of another row: index -1 is not it.
        opening = opening[1:] if len(opening) and opening[0] == 0 else opening
        if not _BEFORE_A_FIELD[signs[opening - 1]].all():
            return None
        quotes += len(places)
    return quotes
