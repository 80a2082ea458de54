"""Writing one Parquet file so that it is either complete and proven, or not there.

Rows go to a temporary name; the file is made durable, read back, compared by row count and checksum with what
the CSV gave, and only then renamed. The manifest in its metadata says which CSV bytes it stands for.

The checksum does not depend on the order of rows: each row's values (float64 by its bits) are mixed into one
64-bit number, and these are added modulo 2^64.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.converter.source import schema_of
from shared.data_files import Family
from shared.errors import DataError

MANIFEST_KEY = b"mm_manifest"
TEMPORARY = ".tmp"
ZSTD_LEVEL = 15
"""Measured on recordings: 4 % smaller than level 9 at a fifth of its speed, and 20 MB of CSV a second are plenty
at night; level 19 gains 1 % more. Plain float64 under zstd is a quarter smaller than dictionary-encoded, half of
byte-stream-split. Decimals as scaled integers would be a third smaller still, but each coin has its own scale, and
a query over files of several rounds to that of the first without a word."""
ROWS_PER_PAGE = 1 << 20
"""One page to a column of a row group: zstd starts anew with each page."""
_MIX = pa.scalar(0x9E3779B97F4A7C15, pa.uint64())
_FINISH = pa.scalar(0xBF58476D1CE4E5B9, pa.uint64())
_NULL = pa.scalar(0x7FF8DEAD00000001, pa.uint64())
_HALF = pa.scalar(32, pa.uint64())
_LOW = pa.scalar(0xFFFFFFFF, pa.uint64())
_MODULUS = 2**64


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a Parquet file was made from and what must be in it."""

    rows: int
    checksum: int
    bad_lines: int
    csv_bytes: int
    """Length of the CSV in whole lines."""
    torn_bytes: int
    """Length of a torn last line after them that went into quarantine."""
    csv_sha256: str
    """Of the `csv_bytes`."""


class Sum(msgspec.Struct):
    """Row count and checksum of some rows."""

    rows: int = 0
    checksum: int = 0

    def add(self, table: Any) -> None:
        self.rows += table.num_rows
        self.checksum = (self.checksum + _checksum(table)) % _MODULUS


def _checksum(table: Any) -> int:
    mixed = row_numbers(table)
    low = pc.sum(pc.bit_wise_and(mixed, _LOW), min_count=0).as_py()
    high = pc.sum(pc.shift_right(mixed, _HALF), min_count=0).as_py()
    return int(low + (high << 32)) % _MODULUS


def row_numbers(table: Any) -> Any:
    """Each row's values mixed into 64 bits: equal rows have equal numbers."""
    mixed: Any = pa.repeat(pa.scalar(0, pa.uint64()), table.num_rows)
    for column in table.columns:
        bits = pc.fill_null(_bits(column.combine_chunks()), _NULL)
        mixed = pc.multiply(pc.bit_wise_xor(pc.multiply(mixed, _MIX), bits), _FINISH)
        mixed = pc.bit_wise_xor(mixed, pc.shift_right(mixed, _HALF))
    return mixed


def _bits(column: Any) -> Any:
    """Each value as 64 bits."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    if pa.types.is_string(column.type):
        words = pc.unique(column)
        numbers = pa.array([_word_bits(word) for word in words.to_pylist()], pa.uint64())
        return pc.take(numbers, pc.index_in(column, words))
    return column.view(pa.uint64())


def _word_bits(word: str | None) -> int | None:
    return None if word is None else int.from_bytes(word.encode(), "big") % (_MODULUS - 59)


def read_manifest(path: Path) -> Manifest | None:
    """The manifest of a file; None when it has none.

    Raises:
        DataError: no readable Parquet file.
    """
    try:
        raw = (pq.read_metadata(path).metadata or {}).get(MANIFEST_KEY)
        return msgspec.json.decode(raw, type=Manifest) if raw else None
    except (pa.ArrowInvalid, OSError, msgspec.DecodeError) as error:
        raise DataError(f"{path}: no readable Parquet: {error}") from error


def check(path: Path, family: Family, manifest: Manifest) -> None:
    """Read every value back and compare with the manifest.

    Raises:
        DataError: schema, row count or checksum differ.
    """
    found = Sum()
    try:
        with pq.ParquetFile(path) as file:
            if not _plain(file.schema_arrow).equals(_plain(schema_of(family))):
                raise DataError(f"{path}: columns or types are not those of {family.name}")
            for group in range(file.num_row_groups):
                found.add(file.read_row_group(group, use_threads=False))
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{path}: cannot be read back: {error}") from error
    if (found.rows, found.checksum) != (manifest.rows, manifest.checksum):
        raise DataError(
            f"{path}: holds {found.rows} rows with checksum {found.checksum:016x}, "
            f"the CSV has {manifest.rows} with {manifest.checksum:016x}"
        )


def _plain(schema: Any) -> Any:
    """Text is text, whether a file says that it was a dictionary (as older ones do) or not."""
    return pa.schema(
        (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for field in schema
    )


class Writer:
    """A Parquet file in the making; leaving the `with` block without `finish` leaves nothing behind."""

    def __init__(self, target: Path, family: Family) -> None:
        self.target, self.family = target, family
        self.temporary = target.with_name(target.name + TEMPORARY)
        self.sum = Sum()
        target.parent.mkdir(parents=True, exist_ok=True)
        kinds = family.columns.items()
        floats = [name for name, kind in kinds if kind.startswith("decimal")]
        self._writer = pq.ParquetWriter(
            self.temporary,
            schema_of(family),
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=[name for name, kind in kinds if kind in ("coin", "side", "word", "text")],
            column_encoding={name: "DELTA_BINARY_PACKED" for name, kind in kinds if kind in ("time", "id")},
            write_statistics=[name for name in family.columns if name not in floats],
            max_rows_per_page=ROWS_PER_PAGE,
            store_schema=False,
        )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def discard(self) -> None:
        """Close and remove the temporary file; nothing to do after `finish`."""
        with suppress(OSError):  # closing writes the footer; the error that led here is the one to report
            self._writer.close()
        self.temporary.unlink(missing_ok=True)

    def write(self, tables: Iterable[Any]) -> None:
        """Each table becomes a row group."""
        for table in tables:
            if table.num_rows:
                self.sum.add(table)
                self._writer.write_table(table, row_group_size=table.num_rows)

    def finish(self, manifest: Manifest) -> int:
        """Close, make durable, check, and put in place; returns the size in bytes."""
        self._writer.add_key_value_metadata({MANIFEST_KEY: msgspec.json.encode(manifest)})
        self._writer.close()
        make_durable(self.temporary)
        check(self.temporary, self.family, manifest)
        size = self.temporary.stat().st_size
        put_in_place(self.temporary, self.target)
        return size


def make_durable(path: Path) -> None:
    """fsync a file or folder."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def put_in_place(temporary: Path, target: Path) -> None:
    """The atomic rename, durable."""
    os.replace(temporary, target)
    make_durable(target.parent)
