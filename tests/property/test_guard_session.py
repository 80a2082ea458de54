"""Guard, quoter and executor through any sequence of books, prints, silences, reconnects, words of the operator
and deaths of the guard: what must never happen does not, a rule more never allows more, and a guard that was
killed says and reads what one does that never was."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from market_maker.rules_drill.path import RUN_ID, TradingPath
from services.guard.checks.table import rules
from services.guard.config import GuardConfig
from services.guard.core import MEMORY_EVERY_MS, Guard
from shared.messages import (
    ZERO,
    AccountStatus,
    AssetConfig,
    AssetCtx,
    Book,
    CoinMemory,
    CoinMeta,
    Command,
    Fill,
    Funding,
    GuardMemory,
    HaltState,
    Message,
    OrderUpdate,
    Reconnected,
    RiskLease,
    RiskReport,
)
from shared.service import Started
from shared.streams import CTX, STREAM_OF
from shared.units import is_valid_px, lot_size, reducible_sz

METAS = (CoinMeta("BTC", 5, 40), CoinMeta("SOL", 2, 20))
MIDS = {"BTC": 68_000.0, "SOL": 85.0}
NAMES = [each.name for each in rules(GuardConfig())]
MOST_MOVE_BPS = 300
MEMORIES = (CoinMemory, GuardMemory)
TIGHTNESS = {"quote": 0, "reduce": 1, "none": 2}

coins = st.sampled_from(sorted(MIDS))
sides = st.sampled_from("AB")
actions: Any = st.sampled_from(("halt", "resume", "resume", "cancel_all", "reduce_only"))


def tightness(lease: RiskLease) -> tuple[float, ...]:
    return (
        TIGHTNESS[lease.bid.allow],
        TIGHTNESS[lease.ask.allow],
        lease.spread_multiplier,
        -lease.size_multiplier,
    )


class Heard:
    """A guard that listens beside the one that counts; `leases` are what it would say."""

    def __init__(self, guard: Any) -> None:
        self.guard = guard
        self.leases: dict[str, RiskLease] = {}
        self.report: RiskReport | None = None

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        said = list(self.guard.step(now_ms, msg))
        self.leases.update({lease.coin: lease for lease in said if isinstance(lease, RiskLease)})
        self.report = next((report for report in said if isinstance(report, RiskReport)), self.report)
        return said


class Beside:
    """The guard of the path with others: `looser` has a rule switched off; `mortal` and `immortal` are alike, but
    one of them is killed at times. What is remembered on the bus is what `mortal` said."""

    def __init__(self, config: GuardConfig, off: str) -> None:
        self.true = Heard(Guard(config))
        self.looser = Heard(Guard(config.model_copy(update={"rule_levels": {off: "off"}})))
        self.immortal = Heard(Guard(config))
        self.mortal: Heard | None = Heard(Guard(config))
        self.missed: list[Any] = []
        self.off = off

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        said = [message for message in self.true.step(now_ms, msg) if not isinstance(message, MEMORIES)]
        self.looser.step(now_ms, msg)
        self.immortal.step(now_ms, msg)
        if self.mortal is not None:
            said += (message for message in self.mortal.step(now_ms, msg) if isinstance(message, MEMORIES))
        elif isinstance(msg, Message) and STREAM_OF[type(msg)].policy == "every":
            self.missed.append(msg)
        return said


class Reading:
    """A core that is looked over the shoulder: what has it been told?"""

    def __init__(self, core: Any, read: Callable[[Any], None]) -> None:
        self.core, self.read = core, read

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        self.read(msg)
        return self.core.step(now_ms, msg)


class Session(RuleBasedStateMachine):
    """See the module's text."""

    @initialize(off=st.sampled_from(NAMES))
    def begin(self, off: str) -> None:
        self.books: dict[str, Book] = {}
        self.leases: dict[str, RiskLease] = {}
        self.halted = False
        self.limits_usd = dict.fromkeys(MIDS, Decimal(200))
        self.mids = dict(MIDS)
        self.cash = defaultdict(lambda: ZERO)
        self.held = defaultdict(lambda: ZERO)
        self.path = TradingPath(METAS, observe=self.never)
        self.guards = Beside(GuardConfig(run_id=RUN_ID), off)
        for message in (self.path.universe, Started()):
            self.guards.step(self.path.now_ms, message)
        self.path.pipeline.replace(self.path.now_ms, "guard", self.guards)
        self.path.pipeline.replace(self.path.now_ms, "executor", Reading(self.path.cores["executor"], self.read))
        self.path.run(2000, self.mids)

    # ---- what happens ----

    @rule(coin=coins, move_bps=st.integers(-MOST_MOVE_BPS, MOST_MOVE_BPS), ticks=st.integers(1, 20))
    def book(self, coin: str, move_bps: int, ticks: int) -> None:
        self.mids[coin] *= 1 + move_bps / 10_000
        self.path.book(coin, self.mids[coin], half_spread_ticks=ticks)

    @rule(ms=st.integers(100, 5_000))
    def calm(self, ms: int) -> None:
        self.path.run(ms, self.mids)

    @rule(coin=coins, side=sides, count=st.integers(1, 60), bps=st.integers(-30, 30))
    def prints(self, coin: str, side: Any, count: int, bps: int) -> None:
        px = Decimal(str(round(self.mids[coin] * (1 + bps / 10_000), 2)))
        again = self.path.prints(coin, *((px, Decimal("0.2"), side) for _ in range(count)))
        self.path.say(again)

    @rule(coin=coins, off_bps=st.integers(-200, 200), funding=st.sampled_from((0.0, 0.0001, -0.001)))
    def context(self, coin: str, off_bps: int, funding: float) -> None:
        self.path.ctx(coin, round(self.mids[coin] * (1 + off_bps / 10_000), 2), funding)

    @rule(ms=st.integers(100, 40_000))
    def silence(self, ms: int) -> None:
        self.path.wait(ms)

    @rule(dead=st.booleans())
    def ingestor(self, dead: bool) -> None:
        self.path.feed.silent = dead

    @rule()
    def reconnect(self) -> None:
        self.path.feed.epoch += 1
        self.path.say(Reconnected(epoch=self.path.feed.epoch, time_ms=self.path.now_ms))

    @rule(action=actions)
    def operator(self, action: Any) -> None:
        now_ms = self.path.now_ms
        self.path.say(Command(id=f"{action}-{now_ms}", action=action, who="me", reason="test", time_ms=now_ms))

    @rule(coin=coins, max_inv_usd=st.sampled_from((50.0, 100.0, 200.0, 1000.0)))
    def settings(self, coin: str, max_inv_usd: float) -> None:
        self.limits_usd[coin] = Decimal(str(max_inv_usd))
        self.path.say(AssetConfig(coin=coin, max_inv_usd=max_inv_usd, published_ms=self.path.now_ms))

    @precondition(lambda self: self.guards.mortal is not None)
    @rule()
    def kill(self) -> None:
        self.guards.mortal, self.guards.missed = None, []
        self.killed_ms = self.path.now_ms

    @precondition(lambda self: self.guards.mortal is None and self.within_reach())
    @rule()
    def revive(self) -> None:
        mortal = Heard(self.path.restored("guard"))
        for message in (Started(), *self.path.waiting("guard"), *self.guards.missed):
            mortal.step(self.path.now_ms, message)
        self.guards.mortal = mortal
        self.path.wait(1_300)

    def within_reach(self) -> bool:
        """What was said since a memory that is ten seconds old, of the shortest stream."""
        since_ms = self.killed_ms - MEMORY_EVERY_MS
        said = [message for at_ms, message in self.path.out if at_ms >= since_ms and isinstance(message, AssetCtx)]
        return all(sum(message.coin == coin for message in said) < CTX.maxlen for coin in MIDS)

    # ---- what must hold ----

    @invariant()
    def a_rule_less_never_forbids_more(self) -> None:
        if not hasattr(self, "guards"):
            return
        for coin, lease in self.guards.true.leases.items():
            looser = self.guards.looser.leases[coin]
            assert all(a >= b for a, b in zip(tightness(lease), tightness(looser), strict=True)), self.guards.off

    @invariant()
    def killed_or_not_is_the_same(self) -> None:
        if not hasattr(self, "guards") or self.guards.mortal is None:
            return
        for coin, lease in self.guards.immortal.leases.items():
            assert tightness(self.guards.mortal.leases[coin]) == tightness(lease)
        one, other = self.guards.immortal.report, self.guards.mortal.report
        if one is not None and other is not None and one.time_ms == other.time_ms:
            assert told(one) == told(other)

    def read(self, message: Any) -> None:
        """By the executor, which decides by it."""
        if isinstance(message, Book):
            self.books[message.coin] = message
        elif isinstance(message, RiskLease):
            self.leases[message.coin] = message
        elif isinstance(message, HaltState):
            self.halted = message.halted

    def never(self, now_ms: int, message: Message) -> None:
        if isinstance(message, RiskLease):
            assert 1 <= message.spread_multiplier <= 4 and 0 <= message.size_multiplier <= 1
            assert now_ms <= message.valid_until_ms <= now_ms + 3000
            for permit in (message.bid, message.ask):
                assert (permit.allow == "quote") == (permit.reason is None)
        elif isinstance(message, OrderUpdate) and message.status == "pending":
            self.order(now_ms, message)
        elif isinstance(message, Fill):
            signed = message.sz if message.side == "bid" else -message.sz
            self.held[message.coin] += signed
            self.cash[message.coin] -= signed * message.px + message.fee_usd
            assert message.position_sz == self.held[message.coin]
        elif isinstance(message, Funding):
            self.cash[message.coin] += message.usd
        elif isinstance(message, AccountStatus):
            worth = sum((self.cash[line.coin] + line.position_sz * line.mark_px for line in message.coins), ZERO)
            assert abs(message.pnl_usd - worth) < Decimal("1e-9")

    def order(self, now_ms: int, order: OrderUpdate) -> None:
        """Each order that is sent, at the moment of that."""
        lease, book, meta = self.leases[order.coin], self.books[order.coin], self.path.metas[order.coin]
        permit = lease.bid if order.side == "bid" else lease.ask
        assert now_ms < lease.valid_until_ms and permit.allow != "none" and not self.halted
        if permit.allow == "reduce":
            assert order.sz <= reducible_sz(order.side, self.held[order.coin])
        assert now_ms - book.received_ms <= 5_000 and book.epoch == self.path.feed.epoch
        crosses = order.px >= book.asks[0].px if order.side == "bid" else order.px <= book.bids[0].px
        assert not crosses
        assert 10 <= order.px * order.sz <= self.limits_usd[order.coin] / 4
        assert is_valid_px(order.px, meta.sz_decimals) and order.sz % lot_size(meta.sz_decimals) == 0


TestSession = Session.TestCase
TestSession.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


class Twins:
    """The guard of before, and one that was started anew; what their rules read each second."""

    def __init__(self, *guards: Any) -> None:
        self.guards = guards
        self.read: tuple[list[RiskReport], ...] = tuple([] for _ in guards)

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        said = [list(guard.step(now_ms, msg)) for guard in self.guards]
        for reports, messages in zip(self.read, said, strict=True):
            reports += (message for message in messages if isinstance(message, RiskReport))
        return said[0]


def killed_in_a_crash(
    seed: int, crash_s: int, ms: int, remembered: bool = True
) -> tuple[list[RiskReport], list[RiskReport]]:
    """What a guard reads that lives on, and one that was killed, in the 22 s after that. Seven minutes of trading,
    more than the streams hold, then a market that falls and is sold into, with the kill somewhere in it; before
    the tick of a full second, so that both report at the same time."""
    path, mids, random, seqs = TradingPath(METAS, services=("guard",)), dict(MIDS), Random(seed), count(1)

    def trade(seconds: int, crash: bool) -> None:
        for _ in range(2 * seconds):
            for coin, mid_px in mids.items():
                mids[coin] = mid_px * (1 + random.gauss(-10 if crash else 0, 3) / 10_000)
                path.book(coin, mids[coin])
                side: Any = "A" if crash else random.choice("AB")
                px = Decimal(str(round(mids[coin], 2)))
                path.prints(coin, *((px, Decimal("0.2"), side) for _ in range(random.randint(1, 5))))
                if random.random() < 0.2:
                    path.ctx(coin, round(mids[coin], 2), random.choice((0.0, 0.001)))
                if random.random() < 0.1:
                    path.say(bought(coin, px, next(seqs), path.now_ms))
            path.wait(500)

    trade(420, False)
    trade(crash_s, True)
    path.wait(ms)
    if not remembered:
        path.forget(*MEMORIES)
    anew: Any = path.restored("guard")
    for message in (Started(), *path.waiting("guard")):
        list(anew.step(path.now_ms, message))
    twins = Twins(path.cores["guard"], anew)
    path.pipeline.replace(path.now_ms, "guard", twins)
    trade(10, True)
    path.wait(7_000)
    trade(5, False)
    old, new = twins.read
    assert len(old) > 20
    return old[-20:], new[-20:]


def bought(coin: str, px: Decimal, seq: int, time_ms: int) -> Fill:
    return Fill(
        coin=coin, fill_id=f"f{seq}", seq=seq, cloid="", mode="shadow", side="bid", level=1, px=px,
        sz=Decimal("0.01"), fee_usd=ZERO, mid_px=px, realized_usd=ZERO, position_sz=seq * Decimal("0.01"),
        time_ms=time_ms,
    )  # fmt: skip


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(750, 999))
@settings(max_examples=3, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_a_guard_killed_in_a_crash_reads_what_one_reads_that_never_was(seed: int, crash_s: int, ms: int) -> None:
    old, new = killed_in_a_crash(seed, crash_s, ms)
    for before, after in zip(old, new, strict=True):
        assert told(before) == told(after)


def test_without_its_memory_a_guard_reads_something_else() -> None:
    """Or the test above would prove nothing."""
    old, new = killed_in_a_crash(1, 20, 800, remembered=False)
    known, left = told(old[0]), told(new[0])
    differ = {one[0] for one, other in zip(known, left, strict=True) if one != other}
    assert {"adverse_selection", "toxicity"} <= differ


def told(report: RiskReport) -> list[Any]:
    """Without how often, and since when: that is of the process."""
    return [
        (line.rule, line.coin, line.fired, line.value and pytest.approx(line.value), line.detail)
        for line in report.rules
    ]


@given(st.integers(0, 2_000), st.integers(0, 1_000))
@settings(max_examples=10, deadline=None)
def test_a_dead_guard_leaves_no_order(alive_ms: int, tick_ms: int) -> None:
    """Leases run out after three seconds, cancels take their time, the status comes each second."""
    path = TradingPath(METAS).run(2_000 + alive_ms, MIDS)
    assert any(line.resting_bids for line in path.status.coins)
    path.kill("guard")
    path.run(5_000 + tick_ms, MIDS)
    assert not any(line.resting_bids or line.resting_asks for line in path.status.coins)
    path.restart("guard")
    path.run(3_000, MIDS)
    assert any(line.resting_bids for line in path.status.coins)
