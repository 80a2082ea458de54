"""The first line of a CSV: ours, ours but damaged, or that of something else."""

import re

from analysis.integrity.lines import MARK, is_good, mend
from services.converter.source import DayCsv

_PROBE_BYTES = 64 * 1024
_PROBE_LINES = 100
_OTHER_FORMATS = {b"\x1f\x8b": "gzip", b"PAR1": "Parquet", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd"}


def head_of(csv: DayCsv, end: int) -> tuple[str, int | None]:
    """What is wrong with the header, empty when nothing; and the byte at which the rows begin, None when nothing
    shows that there are rows of ours. A damaged header is known by the good rows after it.

    Raises:
        OSError: as the system says it.
    """
    header = csv.family.header.encode()
    with csv.path.open("rb") as file:
        start = file.read(min(_PROBE_BYTES, end))
    first, line_end, rest = start.partition(b"\n")
    if first == header and line_end:
        return "", len(header) + 1
    if not line_end and header.startswith(first):  # empty, or killed while the header was written
        return "no header", end
    plain = first.removeprefix(MARK).strip(b"\0").rstrip(b"\r")
    if plain == header:
        return "a header with other bytes around it", len(first) + 1
    for magic, name in _OTHER_FORMATS.items():
        if start.startswith(magic):
            return f"{name} data, no text", None
    names, ours = re.findall(rb"\w+", plain), re.findall(rb"\w+", header)
    if names != ours and set(names) == set(ours):
        return "our columns in another order", None
    lines = rest.split(b"\n")[:-1]
    if first.startswith(header):
        return "a header without line end", len(header)
    if _is_row(csv, first):
        return "no header", 0
    if _are_rows(csv, lines):
        return "a damaged header", len(first) + 1
    return f"unknown first line {first[:60]!r}", None


def _is_row(csv: DayCsv, line: bytes) -> bool:
    return is_good(csv, line) or mend(csv, line) is not None


def _are_rows(csv: DayCsv, lines: list[bytes]) -> bool:
    probe = lines[:_PROBE_LINES]
    return sum(_is_row(csv, line) for line in probe) * 2 > len(probe)
