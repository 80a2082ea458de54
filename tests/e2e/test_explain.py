"""Every fill of a real recording explained: by what was recorded with it, by the market alone, by the bus."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from market_maker.explain import find, render
from market_maker.explain.command import show
from market_maker.explain.evidence import Evidence, gather
from market_maker.explain.judge import HORIZONS_S
from market_maker.explain.story import Story, tell
from market_maker.replay import path_settings, play
from services.harvester.archive import Archive
from services.harvester.config import HarvesterConfig
from services.harvester.core import Effect, Harvester
from services.harvester.service import SERVICE
from services.venue.market.replay import open_recording
from shared import flights
from shared.messages import (
    AssetConfig,
    Book,
    CoinMeta,
    Fill,
    Level,
    Message,
    OrderUpdate,
    QuoteLevel,
    RiskLease,
    SidePermit,
    TargetQuotes,
    Trade,
    Trades,
    Universe,
)
from shared.redis_bus import RedisBus
from shared.runtime import Runtime
from shared.service import Stopping, Tick
from tests.conftest import wait_until

ROOT = Path(__file__).resolve().parents[2]
SET, COIN, MINUTES = "hl-20250904-4coins-a", "WLFI", 8
NOBODY = "redis://127.0.0.1:1"
LATER = 4e12


@dataclass
class Session:
    """A harvester that hears what a replay says, and the truth beside it."""

    data_dir: Path
    fills: list[Fill] = field(default_factory=list)
    mids: dict[str, list[tuple[int, Decimal]]] = field(default_factory=lambda: defaultdict(list))
    now_ms: int = 0
    ticked_ms: int = 0

    def __post_init__(self) -> None:
        self.harvester = Harvester(HarvesterConfig(data_dir=self.data_dir))
        self.archive = Archive(self.data_dir)

    def __call__(self, now_ms: int, message: Message) -> None:
        self.now_ms = now_ms
        if isinstance(message, Fill):
            self.fills.append(message)
        elif isinstance(message, Book):
            self.mids[message.coin].append((message.time_ms, (message.bids[0].px + message.asks[0].px) / 2))
        self.write(message)
        if now_ms >= self.ticked_ms + 1000:
            self.ticked_ms = now_ms
            self.write(Tick())

    def write(self, message: Any) -> None:
        effects = [effect for effect in self.harvester.step(self.now_ms, message) if isinstance(effect, Effect)]
        assert not [result for result in self.archive.apply(effects) if type(result).__name__ == "Failed"]

    def mid_at(self, coin: str, time_ms: int) -> Decimal:
        mids = self.mids[coin]
        return mids[bisect_right(mids, time_ms, key=lambda mid: mid[0]) - 1][1]


@pytest.fixture(scope="module")
def session(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    """Some minutes of one coin, with everything that was recorded of them."""
    folder = tmp_path_factory.mktemp("explained")
    for kind in ("orderbooks", "prices", "trades"):
        _cut(recordings / SET / f"{kind}_{COIN}.csv.gz", folder / f"{kind}_{COIN}.csv.gz")
    session = Session(folder / "data")
    play(open_recording(folder), session, path_settings({}))  # type: ignore[arg-type]
    session.write(Stopping())
    assert len(session.fills) >= 10
    return session


def _cut(source: Path, target: Path) -> None:
    with gzip.open(source, "rt") as rows, gzip.open(target, "wt") as out:
        header = rows.readline()
        out.write(header)
        place, first_ms = header.strip().split(",").index("exchange_timestamp"), None
        for row in rows:
            time_ms = int(row.split(",")[place])
            first_ms = first_ms or time_ms
            if time_ms - first_ms < MINUTES * 60_000:
                out.write(row)


def explained(data_dir: Path, fill: Fill, url: str = NOBODY) -> tuple[Evidence, Story]:
    evidence = gather(url, data_dir, fill)
    return evidence, tell(evidence, LATER)


def check_markouts(session: Session, story: Story) -> None:
    """Against the definition, in exact numbers, where the recording goes on long enough."""
    fill, last_ms = story.fill, session.mids[COIN][-1][0]
    sign = 1 if fill.side == "bid" else -1
    for horizon_s, mark in zip(HORIZONS_S, story.markouts, strict=True):
        if mark.edge_bps is None:
            assert fill.time_ms + 1000 * horizon_s > last_ms - 2000
            continue
        mid_px = session.mid_at(COIN, fill.time_ms + 1000 * horizon_s)
        markout = sign * (mid_px - fill.mid_px) / fill.mid_px * 10_000
        edge = sign * (mid_px - fill.px) / fill.mid_px * 10_000 - fill.fee_usd / (fill.px * fill.sz) * 10_000
        assert mark.markout_bps == pytest.approx(float(markout), abs=1e-6)
        assert mark.edge_bps == pytest.approx(float(edge), abs=1e-6)
    judged = story.markouts[1].edge_bps
    if judged is not None:
        assert (": adverse" if judged < 0 else ": good") in story.verdict


def test_every_fill_is_explained_by_what_was_recorded_with_it(session: Session) -> None:
    for fill in session.fills:
        evidence, story = explained(session.data_dir, fill)
        flight = evidence.flight
        assert story.fill == fill
        assert story.position_before_sz == fill.position_sz - (fill.sz if fill.side == "bid" else -fill.sz)
        assert flight.order is not None and (flight.order.px, flight.order.side) == (fill.px, fill.side)
        assert flight.steps[0].status == "pending" and flight.book_at_rest is not None
        assert flight.steps[0].time_ms < fill.time_ms
        assert max(step.filled_sz for step in flight.steps) >= fill.sz
        target, lease = flight.target, flight.lease
        assert target is not None and target.source_ms == flight.order.source_ms
        wanted = target.bids if fill.side == "bid" else target.asks
        assert fill.level in [quote.level for quote in wanted]
        assert lease is not None and lease.issued_ms <= flight.steps[0].time_ms < lease.valid_until_ms
        assert flight.book_before is not None and flight.book_before.time_ms < fill.time_ms
        assert flight.book_before.mid_px == pytest.approx(float(fill.mid_px), rel=1e-12)
        assert fill.fill_id.rpartition("-")[2] in {str(trade.tid) for trade in story.sweep.prints}
        assert story.sweep.usd >= story.sweep.through_usd >= fill.px * fill.sz * Decimal("0.999")
        check_markouts(session, story)
        wide = [str(line) for line in render.lines(evidence, story) if line.cell_len > 100]
        assert not wide, "readable at 100 columns"


def test_without_its_flight_the_recorded_market_explains_a_fill_and_says_what_is_gone(
    session: Session, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for family in ("ticks", "trades", "depth", "fills"):
        (data / family).symlink_to(session.data_dir / family)
    for fill in session.fills[:4]:
        (found,) = find.matching(NOBODY, data, "", fill.fill_id).fills
        assert (found.px, found.sz, found.seq, found.cloid) == (fill.px, fill.sz, fill.seq, fill.cloid)
        evidence, story = explained(data, found)
        assert evidence.flight.book_before is not None
        assert evidence.flight.book_before.mid_px == pytest.approx(float(fill.mid_px), rel=1e-12)
        assert fill.fill_id.rpartition("-")[2] in {str(trade.tid) for trade in story.sweep.prints}
        check_markouts(session, story)
        assert "the target of then is no longer recorded" in story.gaps
        assert "the life of the order is not recorded" in story.gaps


def test_the_command_finds_what_is_meant_and_says_when_it_does_not(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REDIS_URL", NOBODY)
    monkeypatch.setenv("MM_DATA_DIR", str(session.data_dir))
    fill = session.fills[-1]
    assert show(f"{COIN}:{fill.seq}", False, "", as_json=True) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["fill"]["fill_id"] == fill.fill_id and facts["sources"] == ["flight", "recorded market"]
    assert show("no-such-fill", False, "", as_json=False) == 2
    said = capsys.readouterr()
    assert "no fill matches no-such-fill" in said.err and fill.fill_id in said.out, "the newest are offered"
    assert show("0x", False, "", as_json=False) == 2, "ambiguous"
    assert "fills match 0x" in capsys.readouterr().err
    monkeypatch.setenv("MM_DATA_DIR", str(tmp_path))
    assert show("", True, "", as_json=False) == 3
    assert "not running, and no fill" in capsys.readouterr().err


def test_the_last_fill_through_the_front_door(session: Session) -> None:
    place = {**os.environ, "MM_DATA_DIR": str(session.data_dir), "REDIS_URL": NOBODY}
    command = [sys.executable, "-m", "market_maker.cli", "explain", "--last", "--asset", COIN]
    told = subprocess.run(command, env=place, cwd=ROOT, capture_output=True, text=True, timeout=90)
    assert told.returncode == 0, told.stderr
    assert session.fills[-1].fill_id in told.stdout and "◀ filled" in told.stdout


# ---- the bus ---------------------------------------------------------------------------------------------------

T = 1771733346055


def scene() -> list[Message]:
    """An order from its target to its fill, as the streams tell it."""

    def book(time_ms: int, bid: str, ask: str) -> Book:
        levels = [(Level(Decimal(px), Decimal(1)),) for px in (bid, ask)]
        return Book(coin="BTC", time_ms=time_ms, received_ms=time_ms, epoch=1, bids=levels[0], asks=levels[1])

    def order(time_ms: int, status: Any, filled: str = "0") -> OrderUpdate:
        return OrderUpdate(
            coin="BTC", cloid="0xabc", side="bid", level=1, px=Decimal(100), sz=Decimal("0.5"),
            filled_sz=Decimal(filled), status=status, time_ms=time_ms, source_ms=T - 900,
        )  # fmt: skip

    permit = SidePermit()
    return [
        Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=T),
        AssetConfig(coin="BTC", base_spread_bps=4.0, published_ms=T - 5000),
        RiskLease(coin="BTC", issued_ms=T - 1000, valid_until_ms=T + 2000, bid=permit, ask=permit, ofi=0.25),
        book(T - 900, "100", "100.2"),
        TargetQuotes(
            coin="BTC", source_ms=T - 900, computed_ms=T - 890, mid_px=100.1, half_spread_bps=10.0, shift_bps=0.0,
            multiplier=1.0, regime="calm", bids=(QuoteLevel(1, Decimal(100), Decimal("0.5")),),
        ),
        order(T - 880, "pending"),
        order(T - 500, "open"),
        book(T - 100, "100", "100.2"),
        Trades(
            coin="BTC", received_ms=T + 20, epoch=1,
            trades=(Trade(Decimal("99.9"), Decimal(3), "A", T, 77), Trade(Decimal("100"), Decimal(2), "A", T, 78)),
        ),
        Fill(
            coin="BTC", fill_id="0xabc-77", seq=1, cloid="0xabc", mode="shadow", side="bid", level=1,
            px=Decimal(100), sz=Decimal("0.5"), fee_usd=Decimal("0.0075"), mid_px=Decimal("100.1"),
            realized_usd=Decimal(0), position_sz=Decimal("0.5"), time_ms=T,
        ),
        order(T + 30, "filled", "0.5"),
        book(T + 900, "99.8", "99.9"),
        book(T + 4800, "99.7", "99.9"),
        book(T + 5400, "99.7", "99.9"),
    ]  # fmt: skip


async def test_a_fill_is_explained_from_the_streams_before_anything_is_on_the_disk(
    redis_url: str, tmp_path: Path
) -> None:
    bus = RedisBus(redis_url)
    await bus.publish(scene())
    await bus.close()
    known = await asyncio.to_thread(find.matching, redis_url, tmp_path, "", "0xabc")
    (fill,) = known.fills
    assert known.running
    evidence = await asyncio.to_thread(gather, redis_url, tmp_path, fill)
    story = tell(evidence, T + 6000)
    assert evidence.sources == ("bus",)
    assert [step.status for step in evidence.flight.steps] == ["pending", "open", "filled"]
    assert evidence.flight.target is not None and evidence.flight.lease is not None
    assert story.ahead_sz == 1
    assert story.verdict == (
        "Filled by a 500 USD sell sweep; 5 s later the mid was 30.0 bps lower: adverse; net edge -21.5 bps"
        " (-0.1075 USD) after 1.5 bps fee"
    )
    assert story.gaps == ("markouts at 30, 60 s are still to come: ask again",)


async def test_what_the_harvester_kept_explains_a_fill_when_the_streams_are_gone(
    redis_url: str, tmp_path: Path
) -> None:
    bus = RedisBus(redis_url)
    await bus.publish(scene())
    config = HarvesterConfig(data_dir=tmp_path / "data", run_dir=tmp_path / "run", metrics_port=0)
    runtime = Runtime(SERVICE, config, RedisBus(redis_url))
    running = asyncio.create_task(runtime.run())
    await asyncio.to_thread(wait_until, lambda: bool(list(tmp_path.glob("data/fills/BTC/*.csv"))))
    runtime.stop()
    await running
    (fill,) = [message for message in scene() if isinstance(message, Fill)]
    before = await asyncio.to_thread(gather, redis_url, tmp_path / "data", fill)
    with redis.Redis.from_url(redis_url) as server:
        server.flushall()
    after = await asyncio.to_thread(gather, redis_url, tmp_path / "data", fill)
    await bus.close()
    assert after.flight == before.flight and after.sources == ("flight", "recorded market")
    assert after.flight.target is not None and after.flight.lease is not None
    assert [step.status for step in after.flight.steps] == ["pending", "open", "filled"]
    assert tell(after, LATER).markouts == tell(before, LATER).markouts
    assert tell(after, LATER).markouts[1].edge_bps == pytest.approx(-21.48, abs=0.01)


async def test_a_stream_that_was_cut_is_told_of(redis_url: str, tmp_path: Path) -> None:
    bus = RedisBus(redis_url)
    await bus.publish([message for message in scene() if not isinstance(message, (TargetQuotes, RiskLease))][:1])
    kept = [
        message
        for message in scene()[1:]
        if not isinstance(message, (TargetQuotes, RiskLease, AssetConfig))
        and not (isinstance(message, OrderUpdate) and message.status == "pending")
    ]
    await bus.publish(kept)
    await bus.close()
    (fill,) = (await asyncio.to_thread(find.latest, redis_url, tmp_path, "", 1)).fills
    story = tell(await asyncio.to_thread(gather, redis_url, tmp_path, fill), T + 600_000)
    assert story.gaps[:3] == (
        "the first steps of the order are no longer recorded",
        "the target of then is no longer recorded",
        "the lease of then is no longer recorded",
    )
    assert "no book near 30, 60 s after the fill is recorded" in story.gaps
    assert not list(flights.files(tmp_path))
