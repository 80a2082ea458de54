"""Whatever is killed and whenever the disk refuses: each fill once, each minute once, seconds that add up."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.converter.source import DayCsv
from services.harvester.archive import Archive
from services.harvester.config import HarvesterConfig
from services.harvester.core import Effect, Harvester
from shared import incidents
from shared.data_files import ACCOUNT, FAMILIES, FILLS, Family
from shared.messages import AccountStatus, CoinStatus, Event, Fill, Message, Reason
from shared.service import Started, Stopping, Tick

MIDNIGHT = 1771804800000
COINS = ("BTC", "xyz:TSLA")
RETRY_MS = 60_000

fill = st.tuples(st.just("fill"), st.sampled_from(COINS), st.sampled_from(["shadow", "live"]))
said = st.tuples(st.just("status"), st.integers(0, 1), st.integers(0, 1), st.sampled_from([None, *Reason][:30:6]))
stalled = st.tuples(st.just("stall"))
gaps = st.sampled_from([0, 7, 400, 1000, 1000, 20_000])
world = st.lists(st.tuples(gaps, st.one_of(fill, said, stalled)), max_size=50)
part = st.floats(0, 1)


def messages(steps: list[tuple[int, Any]]) -> list[Message]:
    """What the bus holds, around a UTC midnight; one session."""
    found: list[Message] = []
    time_ms = MIDNIGHT - 60_000
    for number, (gap_ms, what) in enumerate(steps, 1):
        time_ms += gap_ms
        match what:
            case ("fill", coin, mode):
                found.append(
                    Fill(
                        coin=coin, fill_id=f"0x{number}", seq=number, cloid="0x", mode=mode, side="ask", level=1,
                        px=Decimal("1.5"), sz=Decimal(1), fee_usd=Decimal(number) / 7, mid_px=Decimal("1.25"),
                        realized_usd=-Decimal(number) / 3, position_sz=Decimal(-number), time_ms=time_ms,
                    )
                )  # fmt: skip
            case ("status", bids, asks, reason):
                lines = tuple(
                    CoinStatus(
                        coin=coin, position_sz=Decimal(0), mark_px=Decimal(1), realized_usd=Decimal(number) / 3,
                        unrealized_usd=Decimal(0), fees_usd=Decimal(0), funding_usd=Decimal(0),
                        volume_usd=Decimal(0), fills=number, orders_placed=0, orders_canceled=0,
                        orders_rejected=0, resting_bids=bids, resting_asks=asks, bid_reason=reason,
                        ask_reason=reason,
                    )
                    for coin in COINS
                )  # fmt: skip
                found.append(
                    AccountStatus(
                        time_ms=time_ms, mode="shadow", session_start_ms=1, day_start_ms=0,
                        starting_balance_usd=Decimal(1), pnl_usd=Decimal(0), day_pnl_usd=Decimal(0),
                        peak_pnl_usd=Decimal(0), fees_usd=Decimal(0), funding_usd=Decimal(0),
                        volume_usd=Decimal(0), fills=0, coins=lines,
                    )
                )  # fmt: skip
            case _:
                found.append(Event(service="guard", tag="", text="🚨 STALL PANIC: cancel_all.", time_ms=time_ms))
    return found


class Life:
    """One process over `folder`; effects go to the disk at once, as they do in the runtime."""

    def __init__(self, folder: Path) -> None:
        self.core = Harvester(HarvesterConfig(data_dir=folder, run_id="run"))
        self.archive = Archive(folder, max_open_files=3)
        self.now_ms = MIDNIGHT
        self.hear(Started())

    def hear(self, *inputs: Any) -> None:
        queue: list[Any] = list(inputs)
        while queue:
            effects: list[Effect] = [
                output
                for message in queue
                for output in self.core.step(self.now_ms, message)
                if not isinstance(output, Message)
            ]
            queue = list(self.archive.apply(effects)) if effects else []

    def killed(self) -> None:
        for file in self.archive._files.values():
            file.close()


def rows(folder: Path, family: Family) -> list[dict[str, str]]:
    found = []
    for path in sorted(folder.glob(f"{family.name}/*/*.csv")):
        header, *lines = path.read_text().splitlines()
        assert header == family.header
        found += [dict(zip(family.columns, line.split(","), strict=True)) for line in lines]
    return found


def check(folder: Path, inputs: list[Message]) -> None:
    fills = [message for message in inputs if isinstance(message, Fill)]
    written = rows(folder, FILLS)
    assert sorted((row["coin"], row["fill_id"], row["mode"]) for row in written) == sorted(
        (fill.coin, fill.fill_id, fill.mode) for fill in fills
    )
    seconds: dict[tuple[int, str], set[int]] = defaultdict(set)
    for message in inputs:
        if isinstance(message, AccountStatus):
            for coin in COINS:
                minute_ms = message.time_ms - message.time_ms % 60_000
                seconds[minute_ms, coin].add(message.time_ms // 1000)
    account = rows(folder, ACCOUNT)
    minutes = [(int(row["timestamp_ms"]), row["coin"]) for row in account]
    assert len(set(minutes)) == len(minutes) and set(minutes) == set(seconds)
    for minute, row in zip(minutes, account, strict=True):
        counts = [int(row[name]) for name in ("two_sided_s", "at_limit_s", "halted_s")]
        assert int(row["seen_s"]) == len(seconds[minute]) <= 60 and max(counts) <= int(row["seen_s"])
    stalls = {message.time_ms for message in inputs if isinstance(message, Event)}
    kept = [incident.time_ms for incident in incidents.read(folder) if incident.kind == "stall"]
    assert sorted(kept) == sorted(stalls)


@settings(max_examples=80, deadline=None)
@given(world, st.lists(part, max_size=3))
def test_each_once_over_crashes_at_any_step(steps: list[tuple[int, Any]], kills: list[float]) -> None:
    """Each life reads the bus from its beginning."""
    inputs = messages(steps)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kill in kills:
            life = Life(folder)
            life.hear(*inputs[: int(kill * len(inputs))])
            life.killed()
        life = Life(folder)
        life.hear(*inputs)
        life.hear(Stopping())
        check(folder, inputs)


@settings(max_examples=60, deadline=None)
@given(world, st.lists(part, min_size=1, max_size=3))
def test_a_minute_that_an_orderly_end_has_cut_stays_one_row(
    steps: list[tuple[int, Any]], ends: list[float]
) -> None:
    inputs = messages(steps)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for end in (*ends, 1.0):
            Life(folder).hear(*inputs[: int(end * len(inputs))], Stopping())
        account = rows(folder, ACCOUNT)
        minutes = [(row["timestamp_ms"], row["coin"]) for row in account]
        assert len(set(minutes)) == len(minutes)
        said = {msg.time_ms // 60_000 * 60_000 for msg in inputs if isinstance(msg, AccountStatus)}
        assert {int(time_ms) for time_ms, _ in minutes} == said


@settings(max_examples=60, deadline=None)
@given(world, part, part, st.booleans())
def test_a_disk_that_refuses_for_a_while_costs_nothing_of_the_journal(
    steps: list[tuple[int, Any]], begin: float, end: float, crash: bool
) -> None:
    inputs = messages(steps)
    first, last = sorted((int(begin * len(inputs)), int(end * len(inputs))))
    with TemporaryDirectory() as name:
        folder = Path(name)
        life = Life(folder)
        for message in inputs[:first]:
            life.hear(message)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("os.write", _refuse)
            for message in inputs[first:last]:
                life.hear(message)
            if crash:
                life.killed()
        if crash:
            life = Life(folder)
        life.now_ms += RETRY_MS
        for message in inputs if crash else inputs[last:]:
            life.hear(message)
        life.hear(Tick())
        life.hear(Stopping())
        check(folder, inputs)


def _refuse(*_: Any) -> int:
    raise OSError(28, "No space left on device")


@settings(max_examples=30, deadline=None)
@given(world)
def test_every_row_is_one_that_the_converter_takes(steps: list[tuple[int, Any]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        life = Life(folder)
        life.hear(*messages(steps), Stopping())
        for family in FAMILIES:
            for path in folder.glob(f"{family.name}/*/*.csv"):
                pieces = list(DayCsv(family, path).pieces(path.stat().st_size))
                assert not [line for piece in pieces for line in piece.bad]
                assert sum(piece.table.num_rows for piece in pieces) == path.read_text().count("\n") - 1
