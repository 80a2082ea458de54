"""Does a Parquet file hold what its manifest says, and is that what the CSV holds?"""

from pathlib import Path

import pyarrow as pa

from analysis.integrity.reading import Rows, read_parquet
from services.converter.days import sha256
from services.converter.parquet import check, read_manifest
from services.converter.source import DayCsv
from shared.data_files import Family
from shared.errors import DataError

NO_MANIFEST = ("parquet_damaged", "has no manifest: the converter did not make it")
UNPROVEN = ("parquet_unproven", "has no manifest")
"""The same where no CSV says otherwise: the analysis reads such a file."""


def fault_of(path: Path, family: Family, csv: DayCsv | None) -> tuple[str, str] | None:
    """Kind and text of what is wrong; None when nothing is. A CSV that has only grown since is no fault: the next
    conversion takes the rest."""
    try:
        manifest = read_manifest(path)
    except (DataError, OSError, pa.ArrowException) as error:
        return "parquet_unreadable", _last(error)
    if manifest is None:
        return NO_MANIFEST if csv else UNPROVEN
    try:
        check(path, family, manifest)
    except (DataError, OSError, pa.ArrowException) as error:
        return "parquet_damaged", _last(error)
    if csv is None:
        return None
    size = csv.path.stat().st_size
    if manifest.csv_bytes > size:
        return "parquet_differs", f"was made from {manifest.csv_bytes} bytes, the CSV has {size}"
    if sha256(csv.path, manifest.csv_bytes) != manifest.csv_sha256:
        return "parquet_differs", "the CSV changed since it was converted"
    return None


def sound_rows(path: Path, family: Family, now_ms: int) -> Rows | None:
    """The rows, if they are what the manifest says, or readable and without a manifest."""
    fault = fault_of(path, family, None)
    if fault and fault != UNPROVEN:
        return None
    try:
        return read_parquet(path, family, now_ms)
    except (OSError, KeyError, pa.ArrowException):
        return None


def _last(error: Exception) -> str:
    return str(error).split(": ", 1)[-1].split("\n")[0][:160]
