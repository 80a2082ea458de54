"""What led to a fill, kept beside it: `data/explain/COIN/YYYY-MM-DD.jsonl`, one flight a line.

Streams forget within seconds (books, targets) to minutes; whoever asks tomorrow why an order was there finds it
here. A flight takes about 5 kB; a file ends at `MAX_DAY_BYTES`.
"""

from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from shared.clock import utc_day
from shared.data_files import coin_folder
from shared.messages import AssetConfig, Book, Fill, OrderUpdate, RiskLease, TargetQuotes, Trade

Decoded = TypeVar("Decoded")
FOLDER = "explain"
"""In the data folder."""
KEPT_DAYS = 7
"""Unless `harvest_explain_days` says otherwise."""
MAX_DAY_BYTES = 8 * 1024 * 1024
"""Of one coin: some 1700 fills."""


class Step(msgspec.Struct, frozen=True, array_like=True):
    """A step in an order's life, on our clock."""

    time_ms: int
    status: str
    filled_sz: Decimal
    reason: str = ""


class Flight(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A fill and what was known around it; None or empty is what nobody recorded."""

    fill: Fill
    order: OrderUpdate | None = None
    """The first that was heard of it."""
    steps: tuple[Step, ...] = ()
    placed_1m: int = 0
    """Orders placed on its side and level in the minute before it."""
    config: AssetConfig | None = None
    target: TargetQuotes | None = None
    """The ladder that the order was placed from; of an unknown order, the one at the fill."""
    lease: RiskLease | None = None
    """The newest when the order was placed; of an unknown order, the one at the fill."""
    target_at_fill: TargetQuotes | None = None
    """The newest when it filled, where that is another one."""
    lease_at_fill: RiskLease | None = None
    book_at_rest: Book | None = None
    """The newest when the order came to rest."""
    book_before: Book | None = None
    """The last of a block before the fill's."""
    book_after: Book | None = None
    """The first of the fill's block or a later one."""
    prints: tuple[Trade, ...] = ()
    """All trades of the fill's block."""


class Key(NamedTuple):
    """Unique in a coin."""

    mode: str
    fill_id: str


class _Id(msgspec.Struct):
    fill_id: str
    mode: str


class _KeyLine(msgspec.Struct):
    fill: _Id


_FLIGHT, _KEY_LINE = msgspec.json.Decoder(Flight), msgspec.json.Decoder(_KeyLine)


def key_of(fill: Fill) -> Key:
    return Key(fill.mode, fill.fill_id)


def file_of(data_dir: Path, fill: Fill) -> Path:
    return data_dir / FOLDER / coin_folder(fill.coin) / f"{utc_day(fill.time_ms).isoformat()}.jsonl"


def files(data_dir: Path, coin: str = "") -> list[Path]:
    """Of one coin or all, the newest day first."""
    found = (data_dir / FOLDER).glob(f"{coin_folder(coin) if coin else '*'}/????-??-??.jsonl")
    return sorted(found, key=lambda path: (path.stem, path.parent.name), reverse=True)


def keys(file: Path) -> set[Key]:
    """The fills of a file, which need not be there; lines that are no flights are left out.

    Raises:
        OSError: as the system says it.
    """
    return {Key(line.fill.mode, line.fill.fill_id) for line in _decoded(file, b"", _KEY_LINE)}


def read(file: Path, containing: str = "") -> Iterator[Flight]:
    """The flights whose lines contain a text, in the order in which they were written; what is no flight is left
    out."""
    return _decoded(file, containing.encode(), _FLIGHT)


def _decoded(file: Path, containing: bytes, decoder: msgspec.json.Decoder[Decoded]) -> Iterator[Decoded]:
    try:
        lines = file.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return
    for line in lines:
        if containing in line:
            with suppress(msgspec.DecodeError, UnicodeError):
                yield decoder.decode(line)
