"""Lines that are no rows: what is wrong with each, and what of it can be proven to be a row nevertheless.

A row begins with a time of thirteen digits and its coin. Where that stands in the middle of a line (a writer was
killed and its successor wrote on) or after zero bytes, and what follows is a good row by itself, nothing of it is
missing. What stands before it may be torn, and is not kept.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from analysis.integrity.content import FAULTS, NO_TOUCH, Touch, faults
from services.converter.source import DAY_MS, BadLine, DayCsv, schema_of
from shared.clock import ms_of_day, utc_day
from shared.data_files import Family

MARK = b"\xef\xbb\xbf"
_REASONS = (
    ("torn", "torn_row"), ("not UTF-8", "not_utf8"), ("fields instead", "wrong_fields"), ("is not ", "wrong_coin"),
    ("outside the day", "wrong_day"),
)  # fmt: skip
"""How `services.converter.source` says it; everything else is no number or word."""
_UNITS = {10: 1e3, 16: 1e-3, 19: 1e-6}
"""Digits of a time in seconds, micro- or nanoseconds, and what makes it milliseconds."""


_MOST_DIGITS = 20


class Stray(NamedTuple):
    """A good row in the wrong file."""

    home: DayCsv
    line: bytes
    kind: str


def kind_of(csv: DayCsv, bad: BadLine, now_ms: int) -> str:
    """What a bad line is called."""
    mended = mend(csv, bad.raw)
    if bad.reason.startswith("torn"):
        return "torn_row"
    if mended is not None:
        if b"\0" in bad.raw:
            return "zero_bytes"
        if bad.raw.startswith(MARK):
            return "byte_order_mark"
        return "carriage_return" if mended == bad.raw.rstrip(b"\r") else "joined_rows"
    if b"\0" in bad.raw:
        return "zero_bytes"
    if bad.raw.lstrip(MARK).rstrip(b"\r") == csv.family.header.encode():
        return "repeated_header"
    if "fields instead" in bad.reason and bad.raw.count(b",") < len(csv.family.columns) - 1:
        return "torn_row"
    kind = next((kind for part, kind in _REASONS if part in bad.reason), "no_number")
    is_time = kind == "wrong_day" or bad.reason.startswith("timestamp_ms")
    return _time_kind(csv, bad.raw, now_ms) if is_time and re.match(rb"\d+,", bad.raw) else kind


def mend(csv: DayCsv, raw: bytes) -> bytes | None:
    """The row in a bad line that is whole, or None."""
    plain = raw.rstrip(b"\r").lstrip(b"\0").removeprefix(MARK)
    if plain != raw and is_good(csv, plain):
        return plain
    starts = list(re.finditer(rb"(?=\d{13},%s,)" % re.escape(csv.coin.encode()), plain))
    if starts and starts[-1].start() and is_good(csv, plain[starts[-1].start() :]):
        return plain[starts[-1].start() :]
    return None


def is_good(csv: DayCsv, line: bytes, touch: Touch = NO_TOUCH) -> bool:
    """Does a line without its end read as a row of the file that can be true?"""
    try:
        values = csv.values(line)
    except ValueError:
        return False
    return FAULTS[faults(csv.family, _table(csv.family, values), touch)[0]] == ""


def stray(csv: DayCsv, data_dir: Path, raw: bytes, kind: str) -> Stray | None:
    """The line as a good row of another file; None when it is none."""
    line = raw.rstrip(b"\r")
    home = _home(csv, data_dir, line)
    return Stray(home, line, kind) if home is not None and home != csv and is_good(home, line) else None


def _home(csv: DayCsv, data_dir: Path, line: bytes) -> DayCsv | None:
    time, _, rest = line.partition(b",")
    coin = rest.partition(b",")[0]
    if not re.fullmatch(rb"\d{13}", time) or not coin:
        return None
    try:
        path = csv.family.csv_path(data_dir, coin.decode(), utc_day(int(time)))
    except UnicodeDecodeError:
        return None
    return DayCsv(csv.family, path)


def _time_kind(csv: DayCsv, raw: bytes, now_ms: int) -> str:
    digits = raw.partition(b",")[0][:_MOST_DIGITS]
    time_ms = int(digits) * _UNITS.get(len(digits), 1)
    if len(digits) in _UNITS and 0 <= time_ms - ms_of_day(csv.day) < DAY_MS:
        return "time_unit"
    return "future_time" if time_ms > now_ms + DAY_MS else "wrong_day"


def _table(family: Family, values: Iterable[object]) -> object:
    schema = schema_of(family)
    columns = [pa.array([value]).cast(field.type) for value, field in zip(values, schema, strict=True)]
    return pa.table(columns, schema=schema)
