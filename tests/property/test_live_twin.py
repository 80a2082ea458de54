"""The shadow that trades beside live on the same targets changes nothing that anybody decides or is shown.

Guard, quoter and monitor are wired as on the bus; one run hears the fills of both modes, the other only its own.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from services.guard.service import SERVICE as GUARD
from services.monitor.exposition import GridCollector
from services.monitor.service import SERVICE as MONITOR
from services.quoter.core import Quoter
from services.quoter.service import SERVICE as QUOTER
from shared import messages as m
from shared.config import EngineConfig
from shared.hyperliquid.cloids import own_prefix
from shared.pipeline import Pipeline
from shared.service import Core, Service
from tests.fixtures.make import book, fill, live_status, request_budget

T0 = 1_700_000_000_000
COINS = ("BTC", "ETH")
ACCOUNT = {"shadow": "", "live": "0x" + "ab" * 20}
WORDS = tuple[m.Message, ...]
"""What the world says at one moment."""


class Teller:
    """The rest of the grid: says on the bus what it is given."""

    def step(self, now_ms: int, msg: Any) -> Iterable[m.Message]:
        return msg if isinstance(msg, tuple) else ()


class Run:
    """Three cores in one mode, everything they said, and what the monitor would show."""

    def __init__(self, mode: m.Mode) -> None:
        shadow = {"shadow_mode": mode == "shadow"}
        teller = Service(name="teller", config=EngineConfig, core=lambda _: Teller(), metrics_port=0)
        self.said: list[tuple[int, m.Message]] = []
        self.monitor = MONITOR.core(MONITOR.config(**shadow))
        parts: list[tuple[Service[Any], Core]] = [
            (teller, Teller()),
            (GUARD, GUARD.core(GUARD.config(**shadow))),
            (QUOTER, Quoter(QUOTER.config(**shadow), {})),
            (MONITOR, self.monitor),
        ]
        self.pipeline = Pipeline(parts, lambda now_ms, msg: self.said.append((now_ms, msg)), T0)
        self.now_ms = T0
        metas = tuple(m.CoinMeta(coin=coin, sz_decimals=2, max_leverage=20) for coin in COINS)
        self.tell(0, (m.Universe(coins=metas, time_ms=T0),))

    def tell(self, after_ms: int, words: WORDS) -> None:
        self.now_ms += after_ms
        self.pipeline.feed(self.now_ms, "teller", words)

    def shown(self) -> dict[tuple[str, ...], float]:
        registry = CollectorRegistry()
        registry.register(GridCollector(self.monitor, "sim", "1", lambda: self.now_ms))
        samples = [sample for family in registry.collect() for sample in family.samples]
        return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}


def filled(now_ms: int, mode: m.Mode, coin: str, seq: int, position: int, side: str) -> m.Fill:
    """Ids of both modes are alike on purpose."""
    changes = {"time_ms": now_ms, "position_sz": Decimal(position), "mid_px": Decimal("100.02")}
    return msgspec.structs.replace(fill(coin, seq, side=side, mode=mode), **changes)


def canceled(now_ms: int, mode: m.Mode, coin: str, number: int) -> m.OrderUpdate:
    return m.OrderUpdate(
        coin=coin, cloid=f"{own_prefix(ACCOUNT[mode])}{number:022x}", side="bid", level=1, px=Decimal(100),
        sz=Decimal(1), filled_sz=Decimal(0), status="canceled", time_ms=now_ms,
    )  # fmt: skip


def status(now_ms: int, mode: m.Mode, pnl: int, widening: float) -> m.AccountStatus:
    zero, budget = Decimal(0), request_budget(widening=widening)
    return m.AccountStatus(
        time_ms=now_ms, mode=mode, session_start_ms=T0, day_start_ms=T0, starting_balance_usd=Decimal(1000),
        pnl_usd=Decimal(pnl), day_pnl_usd=Decimal(pnl), peak_pnl_usd=zero, fees_usd=zero, funding_usd=zero,
        volume_usd=zero, fills=0, coins=(), live=live_status(budget=budget) if mode == "live" else None,
    )  # fmt: skip


coins = st.sampled_from(COINS)
happenings = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.one_of(
            st.tuples(st.just("book"), coins, st.integers(9_900, 10_100)),
            st.tuples(st.just("fill"), coins, st.integers(-4, 4)),
            st.tuples(st.just("twin"), coins, st.integers(-4, 4)),
            st.tuples(st.just("cancel"), coins, st.integers(0, 9)),
            st.tuples(st.just("status"), st.integers(-60, 20), st.floats(1, 4)),
        ),
    ),
    min_size=5,
    max_size=60,
)


@pytest.mark.parametrize("mode", get_args(m.Mode))
@settings(max_examples=60, deadline=None)
@given(happenings=happenings)
def test_fills_of_the_other_mode_change_no_decision_and_no_number(mode, happenings):
    other: m.Mode = "shadow" if mode == "live" else "live"
    with_twin, without = Run(mode), Run(mode)
    seqs = {(coin, of): 0 for coin in COINS for of in get_args(m.Mode)}
    for after_ms, (kind, first, second) in happenings:
        at_ms = with_twin.now_ms + after_ms
        words: WORDS
        if kind == "book":
            bid = Decimal(second) / 100
            words = (book(first, time_ms=at_ms, bid=str(bid), ask=str(bid + Decimal("0.05"))),)
        elif kind == "cancel":
            words = (canceled(at_ms, mode, first, second),)
        elif kind == "status":
            words = (status(at_ms, mode, first, second),)
        else:
            of = mode if kind == "fill" else other
            seqs[first, of] += 1
            words = (filled(at_ms, of, first, seqs[first, of], second, "bid" if second > 0 else "ask"),)
        with_twin.tell(after_ms, words)
        without.tell(after_ms, () if kind == "twin" else words)
    for second in range(7):
        for coin in COINS:
            later = book(coin, time_ms=with_twin.now_ms + 1000, bid=str(90 + second), ask=str(91 + second))
            with_twin.tell(1000, (later,))
            without.tell(1000, (later,))

    ours = [item for item in with_twin.said if not (isinstance(item[1], m.Fill) and item[1].mode == other)]
    assert ours == without.said
    same = {key: value for key, value in with_twin.shown().items() if not key[0].startswith("mm_twin")}
    assert same == {key: value for key, value in without.shown().items() if not key[0].startswith("mm_twin")}


@pytest.mark.parametrize("mode", get_args(m.Mode))
def test_fills_of_our_own_mode_are_what_everybody_goes_by(mode):
    """Else the test above could be true of cores that hear nothing."""
    quiet, busy = Run(mode), Run(mode)
    for run, position in ((quiet, 0), (busy, 2)):
        run.tell(100, (book("BTC", time_ms=T0 + 100, bid="99.98", ask="100.02"),))
        if position:
            run.tell(50, (filled(run.now_ms + 50, mode, "BTC", 1, position, "bid"),))
        run.tell(2_000, (book("BTC", time_ms=T0 + 2_150, bid="99.98", ask="100.02"),))
        run.tell(6_000, (book("BTC", time_ms=T0 + 8_150, bid="98.98", ask="99.02"),))
        run.tell(2_000, (status(run.now_ms, mode, 0, 1.0),))
    targets = [
        [msg for _, msg in run.said if isinstance(msg, m.TargetQuotes) and msg.coin == "BTC"]
        for run in (quiet, busy)
    ]
    leases = [
        [msg for _, msg in run.said if isinstance(msg, m.RiskLease) and msg.coin == "BTC"] for run in (quiet, busy)
    ]
    assert targets[0][-1].bids and not targets[1][-1].bids
    assert [of[-1].fills_1h for of in leases] == [0, 1]
