"""The harvester as it runs: from the bus to files, over restarts and with a disk that refuses."""

import asyncio
import contextlib
import csv
import gzip
import heapq
from collections.abc import AsyncIterator, Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from services.converter.convert import OK, main
from services.harvester.archive import Archive
from services.harvester.config import HarvesterConfig
from services.harvester.core import Close, Closed, Harvester
from services.harvester.service import SERVICE
from shared import incidents
from shared.bus import Bus
from shared.data_files import TRADES
from shared.memory_bus import MemoryBus
from shared.messages import (
    AccountState,
    AccountStatus,
    Book,
    CoinMeta,
    CoinStatus,
    Event,
    Fill,
    HaltState,
    Level,
    Message,
    Trade,
    Universe,
)
from shared.messages import Trades as TradesMessage
from shared.redis_bus import RedisBus
from shared.runtime import Runtime
from shared.streams import EVENTS

T = 1771733346055
UNIVERSE = Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=T)


def level(px: str, sz: str = "1") -> Level:
    return Level(Decimal(px), Decimal(sz))


def book(time_ms: int, bid: str, ask: str, coin: str = "BTC") -> Book:
    return Book(coin=coin, time_ms=time_ms, received_ms=time_ms, epoch=1, bids=(level(bid),), asks=(level(ask),))


def trades(time_ms: int, *tids: int) -> TradesMessage:
    prints = tuple(Trade(Decimal("100.5"), Decimal(1), "B", time_ms, tid) for tid in tids)
    return TradesMessage(coin="BTC", received_ms=time_ms, epoch=1, trades=prints)


def lines(folder: Path, family: str) -> list[str]:
    path = folder / family / "BTC/2026-02-22.csv"
    return path.read_text().split("\n")[1:-1] if path.exists() else []


@contextlib.asynccontextmanager
async def running(bus: Bus, folder: Path) -> AsyncIterator[None]:
    config = HarvesterConfig(data_dir=folder / "data", run_dir=folder / "run", metrics_port=0)
    runtime = Runtime(SERVICE, config, bus)
    task = asyncio.create_task(runtime.run())
    try:
        yield
    finally:
        runtime.stop()
        await task


@contextlib.asynccontextmanager
async def killed_in_the_end(bus: Bus, folder: Path) -> AsyncIterator[None]:
    """A process that gets no time to close anything."""
    config = HarvesterConfig(data_dir=folder / "data", run_dir=folder / "run", metrics_port=0, run_id="now")
    runtime = Runtime(SERVICE, config, bus)
    task = asyncio.create_task(runtime.run())
    try:
        yield
    finally:
        runtime.core.step = lambda *_: ()  # type: ignore[method-assign]
        runtime.stop()
        await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(8):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(params=["memory", "redis"])
def connect(request: pytest.FixtureRequest) -> Callable[[], Bus]:
    if request.param == "redis":
        url: str = request.getfixturevalue("redis_url")
        return lambda: RedisBus(url)
    bus = MemoryBus()
    return lambda: bus


async def publish(connect: Callable[[], Bus], *messages: Message) -> None:
    bus = connect()
    await bus.publish(messages)
    await bus.close()


async def test_every_book_and_trade_is_recorded_once_over_a_restart(
    tmp_path: Path, connect: Callable[[], Bus]
) -> None:
    data = tmp_path / "data"
    await publish(connect, UNIVERSE, *(book(T + i, f"{100 + i}", f"{101 + i}") for i in range(5)), trades(T, 1, 2))
    async with running(connect(), tmp_path):
        await until(lambda: len(lines(data, "trades")) == 2)
    await publish(connect, book(T + 9, "120", "121"), trades(T + 9, 3))
    async with running(connect(), tmp_path):
        await until(lambda: len(lines(data, "trades")) == 3)
    assert [line.split(",")[2] for line in lines(data, "ticks")] == [f"{100 + i}.0" for i in range(5)] + ["120.0"]
    assert [line.rsplit(",", 1)[1] for line in lines(data, "trades")] == ["1", "2", "3"]
    assert len(lines(data, "depth")) == 6


def fill(number: int) -> Fill:
    return Fill(
        coin="BTC", fill_id=f"0x{number}", seq=number, cloid="0x", mode="shadow", side="bid", level=1,
        px=Decimal("100.5"), sz=Decimal(1), fee_usd=Decimal("0.015"), mid_px=Decimal("100.75"),
        realized_usd=Decimal(0), position_sz=Decimal(number), time_ms=T + number,
    )  # fmt: skip


def status(time_ms: int) -> AccountStatus:
    coin = CoinStatus(
        coin="BTC", position_sz=Decimal(0), mark_px=Decimal(100), realized_usd=Decimal(0),
        unrealized_usd=Decimal(0), fees_usd=Decimal(0), funding_usd=Decimal(0), volume_usd=Decimal(0), fills=0,
        orders_placed=0, orders_canceled=0, orders_rejected=0, resting_bids=1, resting_asks=1,
    )  # fmt: skip
    return AccountStatus(
        time_ms=time_ms, mode="shadow", session_start_ms=T, day_start_ms=0, starting_balance_usd=Decimal(1000),
        pnl_usd=Decimal(0), day_pnl_usd=Decimal(0), peak_pnl_usd=Decimal(0), fees_usd=Decimal(0),
        funding_usd=Decimal(0), volume_usd=Decimal(0), fills=0, coins=(coin,),
    )  # fmt: skip


async def test_the_journal_is_written_once_over_a_restart_in_the_middle_of_a_minute(
    tmp_path: Path, connect: Callable[[], Bus]
) -> None:
    """The bus is read from its beginning again: nothing is doubled, and the minute comes out whole."""
    data = tmp_path / "data"
    minute_ms = T - T % 60_000
    stall = Event(service="guard", tag="", text="🚨 STALL PANIC: cancel_all.", time_ms=T)
    session = AccountState(
        session_start_ms=T, day_start_ms=0, day_start_pnl_usd=Decimal(0), peak_pnl_usd=Decimal(0), run_id="before"
    )
    halt = HaltState(halted=True, reason="a test", who="kai", since_ms=T + 5)
    await publish(connect, UNIVERSE, session, fill(1), fill(2), status(minute_ms + 10_000), stall, halt)
    async with killed_in_the_end(connect(), tmp_path):
        await until(lambda: len(lines(data, "fills")) == 2)
        await until(lambda: {incident.kind for incident in incidents.read(data)} == {"stall", "halt"})
    assert not lines(data, "account")
    await publish(connect, fill(3), status(minute_ms + 20_000), status(minute_ms + 60_000))
    async with running(connect(), tmp_path):
        await until(lambda: len(lines(data, "fills")) == 3 and len(lines(data, "account")) == 1)
    rows = [line.split(",") for line in lines(data, "fills")]
    assert [(row[2], row[-1]) for row in rows] == [("before", "0x1"), ("before", "0x2"), ("before", "0x3")]
    assert [line.split(",")[-4:] for line in lines(data, "account")][0] == ["2", "2", "0", "0"]
    kept = [(incident.kind, incident.time_ms, incident.run_id) for incident in incidents.read(data)]
    assert sorted(kept) == [("halt", T + 5, "before"), ("stall", T, "before")]


async def test_what_was_said_just_before_the_end_is_recorded(tmp_path: Path, connect: Callable[[], Bus]) -> None:
    """The executor stops first; its last fills must not need another start."""
    await publish(connect, UNIVERSE, fill(1))
    async with running(connect(), tmp_path):
        await until(lambda: len(lines(tmp_path / "data", "fills")) == 1)
        await publish(connect, *(fill(number) for number in range(2, 400)))
    assert len(lines(tmp_path / "data", "fills")) == 399


async def test_a_folder_that_cannot_be_written_is_one_error_and_the_service_lives(tmp_path: Path) -> None:
    bus = MemoryBus()
    (tmp_path / "data").write_text("a file where the folder should be")
    await bus.publish([UNIVERSE])
    async with running(bus, tmp_path):
        for i in range(5):
            await bus.publish([book(T + i, f"{100 + i}", "200"), trades(T + i, i)])
        events: list[Event] = []

        def told() -> bool:
            events[:] = [
                EVENTS.decoder.decode(body)  # type: ignore[misc]
                for _, body in bus.entries.get("mm:events", ())
            ]
            return any(event.level == "error" for event in events)

        await until(told)
        await bus.publish([trades(T + 10, 10)])
    errors = [event for event in events if event.level == "error"]
    assert len(errors) == 1 and errors[0].tag == "HARVEST"
    assert "harvesting stopped" in errors[0].text and str(tmp_path / "data") in errors[0].text


def recorded(folder: Path, coin: str) -> Iterator[tuple[int, int, Message]]:
    """A recording as messages: trades before the book of their block, ids taken once."""

    def rows(stem: str) -> Iterator[dict[str, str]]:
        with gzip.open(folder / f"{stem}_{coin}.csv.gz", "rt") as file:
            yield from csv.DictReader(file)

    def prints() -> Iterator[tuple[int, int, Message]]:
        seen: set[str] = set()
        for row in rows("trades"):
            time_ms, tid = int(row["exchange_timestamp"]), row["trade_id"]
            if tid not in seen:
                seen.add(tid)
                side = "B" if row["side"] == "buy" else "A"
                trade = Trade(Decimal(row["price"]), Decimal(row["size"]), side, time_ms, int(tid))  # type: ignore[arg-type]
                yield time_ms, 0, TradesMessage(coin=coin, received_ms=time_ms, epoch=1, trades=(trade,))

    def books() -> Iterator[tuple[int, int, Message]]:
        for row in rows("orderbooks"):
            time_ms = int(row["exchange_timestamp"])
            bids, asks = (
                tuple(level(row[f"{side}_price_{i}"], row[f"{side}_size_{i}"]) for i in range(5))
                for side in ("bid", "ask")
            )
            yield time_ms, 1, Book(coin=coin, time_ms=time_ms, received_ms=time_ms, epoch=1, bids=bids, asks=asks)

    return heapq.merge(sorted(prints(), key=lambda item: item[0]), books(), key=lambda item: item[:2])


def test_a_real_recording_survives_the_way_to_parquet(tmp_path: Path, recordings: Path) -> None:
    folder = recordings / "hl-20250904-4coins-a"
    core, archive = Harvester(HarvesterConfig(data_dir=tmp_path)), Archive(tmp_path)
    tids: list[int] = []
    books: list[Book] = []
    for time_ms, _, message in recorded(folder, "WLFI"):
        assert archive.apply(list(core.step(time_ms, message))) == []  # type: ignore[arg-type]
        if isinstance(message, Book):
            books.append(message)
        elif isinstance(message, TradesMessage):
            tids += [trade.tid for trade in message.trades]
    (closed,) = archive.apply([Close()])
    assert isinstance(closed, Closed)
    csv_bytes = sum(path.stat().st_size for path in tmp_path.rglob("*.csv"))
    assert main(["--data", str(tmp_path), "--keep-csv"]) == OK
    tables = {path.parts[-3]: pq.read_metadata(path) for path in tmp_path.glob("parquet*/WLFI/*.parquet")}
    assert sum(table.num_rows for table in tables.values()) == closed.rows
    changes = 1 + sum((a.bids, a.asks) != (b.bids, b.asks) for a, b in pairwise(books))
    assert changes <= tables["parquet_depth"].num_rows <= len(books)
    (path,) = tmp_path.glob("parquet_trades/WLFI/*.parquet")
    with pq.ParquetFile(path) as file:
        assert sorted(file.read()["tid"].to_pylist()) == sorted(tids)
    parquet_bytes = sum(path.stat().st_size for path in tmp_path.glob("parquet*/WLFI/*.parquet"))
    assert csv_bytes > 3 * parquet_bytes
    assert TRADES.header.encode() in next(tmp_path.glob("trades/WLFI/*.csv")).read_bytes()
