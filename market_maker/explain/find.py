"""Which fill is meant: on the bus, in the flights, in the recorded fills."""

import asyncio
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from analysis.store import open_store
from shared import flights
from shared.data_files import FILLS
from shared.errors import BusError, DataError
from shared.flights import Key, key_of
from shared.messages import Fill, Universe
from shared.redis_bus import RedisBus
from shared.streams import FILLS as FILLS_STREAM
from shared.streams import UNIVERSE
from shared.units import exact

NEAREST = 10
LATEST_PER_COIN = 100
"""Entries of a coin's fills looked at when only the newest are asked for."""


class Known(NamedTuple):
    """Fills, the newest first, and whether a bus answered."""

    fills: list[Fill]
    running: bool


def on_the_bus(url: str, asset: str, last: int | None) -> list[Fill] | None:
    """Of all coins of the run or one; None: nothing runs."""
    return asyncio.run(_on_the_bus(url, asset, last))


async def _on_the_bus(url: str, asset: str, last: int | None) -> list[Fill] | None:
    bus = RedisBus(url)
    try:
        universe = await bus.stored(UNIVERSE, (), last=1)
        coins = [meta.coin for message in universe if isinstance(message, Universe) for meta in message.coins]
        wanted = [coin for coin in coins if asset in ("", coin)]
        stored = await bus.stored(FILLS_STREAM, wanted, last) if wanted else []
    except BusError:
        return None
    finally:
        await bus.close()
    return [message for message in stored if isinstance(message, Fill)]


def latest(url: str, data_dir: Path, asset: str, count: int) -> Known:
    """The newest fills."""
    told = on_the_bus(url, asset, LATEST_PER_COIN)
    found = _once([*(told or ()), *_newest_flights(data_dir, asset, count), *_newest_rows(data_dir, asset, count)])
    return Known(found[:count], told is not None)


def matching(url: str, data_dir: Path, asset: str, wanted: str) -> Known:
    """The fills that a text names; where none does exactly, those that it may mean.

    A text is a fill's id, the id of its order or of the trade that filled it, a part of these, or `COIN:SEQ`.
    """
    told = on_the_bus(url, asset, None)
    known: list[Fill] = []
    for fills in (told or (), _flown(data_dir, asset, wanted), _recorded(data_dir, asset, wanted)):
        known += [fill for fill in fills if meant(fill, wanted)]
        exact_ones = [fill for fill in known if fill.fill_id == wanted]
        if exact_ones:
            return Known(_once(exact_ones), told is not None)
    return Known(_once(known), told is not None)


def meant(fill: Fill, wanted: str) -> bool:
    """May a text mean this fill?"""
    coin, _, number = wanted.rpartition(":")
    if coin == fill.coin and number.isdigit():
        return int(number) == fill.seq
    return bool(wanted) and wanted in (fill.fill_id + "|" + fill.cloid)


def _once(fills: Iterable[Fill]) -> list[Fill]:
    by_key: dict[tuple[str, Key], Fill] = {}
    for fill in fills:
        by_key.setdefault((fill.coin, key_of(fill)), fill)
    return sorted(by_key.values(), key=lambda fill: (fill.time_ms, fill.seq), reverse=True)


def _flown(data_dir: Path, asset: str, wanted: str) -> Iterator[Fill]:
    coin, _, number = wanted.rpartition(":")
    asset, text = (coin, f'"seq":{number},') if coin and number.isdigit() else (asset, wanted)
    for file in flights.files(data_dir, asset):
        yield from (flight.fill for flight in flights.read(file, text))


def _newest_flights(data_dir: Path, asset: str, count: int) -> Iterator[Fill]:
    files = flights.files(data_dir, asset)
    found = 0
    for number, file in enumerate(files):
        if found >= count and file.stem != files[number - 1].stem:
            return
        fills = [flight.fill for flight in flights.read(file)][-count:]
        found += len(fills)
        yield from fills


# ---- CSV and Parquet -------------------------------------------------------------------------------------------


def _recorded(data_dir: Path, asset: str, wanted: str) -> list[Fill]:
    coin, _, number = wanted.rpartition(":")
    if coin and number.isdigit():
        return _rows(data_dir, coin, "WHERE seq = ? ORDER BY timestamp_ms DESC LIMIT 100", [int(number)])
    return _rows(data_dir, asset, "WHERE contains(fill_id, ?) ORDER BY timestamp_ms DESC LIMIT 100", [wanted])


def _newest_rows(data_dir: Path, asset: str, count: int) -> list[Fill]:
    return _rows(data_dir, asset, "ORDER BY timestamp_ms DESC LIMIT ?", [count])


def _rows(data_dir: Path, asset: str, rest: str, parameters: list[Any]) -> list[Fill]:
    if not any(any((data_dir / name).glob("*/*")) for name in (FILLS.name, FILLS.parquet)):
        return []
    try:
        with open_store(data_dir, [asset] if asset else None) as store:
            table = store.of(FILLS.name, asset) if asset else FILLS.name
            return [_fill(row) for row in store.sql(f"SELECT * FROM {table} {rest}", parameters).fetchall()]
    except DataError:
        return []  # no ticks beside them, or none of this coin


def _fill(row: tuple[Any, ...]) -> Fill:
    """A recorded row; the id of the order is part of a simulated fill's own."""
    of = dict(zip(FILLS.columns, row, strict=True))
    money = {name: exact(of[name]) for name in ("px", "sz", "fee_usd", "mid_px", "realized_usd", "position_sz")}
    simulated = of["mode"] == "shadow" and of["fill_id"].startswith("0x")
    return Fill(
        coin=of["coin"], fill_id=of["fill_id"], seq=of["seq"], mode=of["mode"], side=of["side"], level=of["level"],
        cloid=of["fill_id"].rpartition("-")[0] if simulated else "", time_ms=of["timestamp_ms"],
        **{name: value if value else Decimal(0) for name, value in money.items()},
    )  # fmt: skip
