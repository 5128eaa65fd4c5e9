"""Texts to values of a column, where the columnar library reads more than is meant, or less.

One meaning for CSV and for texts in Parquet. Everything here takes and returns whole columns.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from coffeeshop.reading.file import File
from coffeeshop.schema import Kind, Table

SECONDS = 19
"""Letters of ``2024-12-31 23:59:59``."""
SHORTER = (13, 16)
"""Letters of a time to the hour and to the minute."""
DAY = 86_400
"""Seconds."""
_IDLE_FRACTION = r"^(.{19})\.0+$"
_BACKSLASH = r"\\[\\0bnrtZ]"
ESCAPED_QUOTE = re.compile(rb'\\"')
ESCAPES = "a backslash escape, as MySQL writes it: double quotes instead, and write no backslashes"


class Refused(ValueError):
    """A value that parses but is out of the schema's bounds, or that may be meant otherwise."""


def instants(texts: pa.Array) -> pa.Array:
    """``2024-12-31 23:59:59`` to instants; also with a T, to the minute or hour, or with ``.000``.

    Raises `Refused` or an Arrow error when one of them is anything else: the columnar library takes
    a date for its midnight.
    """
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    if (lengths["min"] or SECONDS, lengths["max"] or SECONDS) != (SECONDS, SECONDS):
        texts = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), _IDLE_FRACTION, r"\1")
        for text in pc.unique(pc.if_else(pc.equal(pc.binary_length(texts), SECONDS), None, texts)):
            if text.is_valid and len(text.as_py()) not in SHORTER:
                raise Refused(why_no_instant(text.as_py()))
    return texts.cast(pa.timestamp("s"))


def midnights(instants: pa.Array) -> pa.Array | None:
    """Which of them are the first second of a day; None when none is."""
    seconds = instants.view(pa.int64())
    found = pc.equal(pc.multiply(pc.divide(seconds, DAY), DAY), seconds)
    return found if pc.any(found).as_py() else None


WANTED = {
    Kind.TEXT: "not text",
    Kind.ID: "not a whole number",
    Kind.COUNT: "not a whole number",
    Kind.AMOUNT: "not an amount with up to 3 decimals",
    Kind.INSTANT: "not a time like 2024-12-31 23:59:59",
    Kind.DATE: "not a date like 1969-12-31",
}
_WHY: dict[Kind, dict[str, str]] = {
    Kind.INSTANT: {
        r"\d{4}-\d\d-\d\d": "has no time of day",
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d*)?)? ?(Z|z|UTC|[+-]\d\d(:?\d\d)?)": (
            "has a zone: times are those of the clock on the shop's wall"
        ),
        r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d+": "has a fraction of a second",
        r".* ?[aApP]\.?[mM]\.?": "has AM or PM: hours are written 00 to 23",
        r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b.*": "does not tell its day from its month",
        r"[-+]?\d+(\.\d+)?": "is a number, and it is not known of what unit",
    },
    Kind.DATE: {
        r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b.*": "does not tell its day from its month",
        r"\d{4}-\d\d-\d\d.+": "has more than a date",
    },
    Kind.AMOUNT: {
        r"[-+]?\d{1,3}(,\d{3})+(\.\d*)?": "groups its thousands by commas",
        r"[-+]?\d{1,3}(\.\d{3})+(,\d*)?": "has a point and a comma, or groups its thousands",
        r"[-+]?\d+,\d+": "has a decimal comma in a file with decimal points",
        r"[-+]?\d+\.\d{1,2}": "has a decimal point in a file with decimal commas",
        r".*[$€£¥₱%]|[$€£¥₱].*": "has a sign beside the number",
        r"\(.*\)": "is in brackets",
    },
}


def why(kind: Kind, value: str) -> str:
    """What is wrong with a text that is no value of its kind."""
    for pattern, reason in _WHY.get(kind, {}).items():
        if re.fullmatch(pattern, value.strip()):
            return f"{WANTED[kind]}: it {reason}"
    return WANTED[kind]


def why_no_instant(value: str) -> str:
    """The same for an instant."""
    return why(Kind.INSTANT, value)


def checked_text(texts: pa.Array) -> pa.Array:
    """The same texts; raises `Refused` when one of them has an escape that may mean another."""
    if pc.any(pc.match_substring(texts, "\\")).as_py() and (
        pc.any(pc.match_substring_regex(texts, _BACKSLASH)).as_py()
    ):
        raise Refused(f"has {ESCAPES}")
    return texts


def spelled_out(table: Table, batch: pa.RecordBatch, file: File) -> tuple[str, ...]:
    """Warn of names that programs write where there is none: they are taken as they stand."""
    found = []
    for column in table.columns:
        if column.kind is Kind.TEXT and column.nullable:
            values = batch[column.name]
            like = values.filter(pc.is_in(values, _SPELLED))
            if len(like):
                found.append(
                    f"{file}: {column.name} is {like[0].as_py()!r} in {len(like)} row(s), which is "
                    "taken for a name; where there is none, leave the field empty"
                )
    return tuple(found)


_SPELLED = pa.array(
    [
        "NaN",
        "nan",
        "NAN",
        "None",
        "none",
        "null",
        "Null",
        "<NA>",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "NaT",
    ],
    pa.string(),  # to guess it, the library imports what it knows of calendars
)


def translated(texts: pa.Array, table: bytes | None) -> pa.Array:
    """The texts with single bytes exchanged by a table of `bytes.maketrans`."""
    if table is None or len(texts) == 0:
        return texts
    validity, offsets, data = texts.buffers()
    if data is None:
        return texts
    changed = pa.py_buffer(data.to_pybytes().translate(table))
    return pa.Array.from_buffers(
        texts.type, len(texts), [validity, offsets, changed], offset=texts.offset
    )
