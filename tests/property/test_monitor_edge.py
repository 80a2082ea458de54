"""Parts of the PnL: they add up, and they are those of the executor's own attribution."""

from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.executor.ledger import Ledger
from services.monitor.core import Monitor
from services.monitor.edge import PARTS
from shared import messages as m
from tests.fixtures.make import book, fill
from tests.unit.test_monitor_core import line, monitor, status

SESSION_MS = 1_000
EARNED = tuple(part for part in PARTS if part != "net")

sides = st.sampled_from(["bid", "ask"])
cents = st.integers(9_000, 11_000).map(lambda number: Decimal(number) / 100)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), sides, cents, st.integers(1, 30), cents, st.integers(-20, 50)),
        st.tuples(st.just("mid"), cents),
        st.tuples(st.just("funding"), st.integers(-50, 50)),
        st.tuples(st.just("status")),
        st.tuples(st.just("restart")),
    ),
    max_size=40,
)


@dataclass
class Trading:
    """The executor's ledger, and a monitor that hears its fills and statuses."""

    core: Monitor = field(default_factory=monitor)
    ledger: Ledger = field(default_factory=lambda: Ledger("BTC"))
    now_ms: int = SESSION_MS
    stream: list[m.Fill] = field(default_factory=list)

    def fill(self, side: str, px: Decimal, number: int, mid: Decimal, fee: int) -> None:
        sz, fee_usd = Decimal(number) / 10, Decimal(fee) / 1000
        self.ledger.fill(side, px, sz, fee_usd, mid)
        plain = fill(seq=self.ledger.seq, side=side, px=str(px), sz=str(sz))
        made = msgspec.structs.replace(plain, mid_px=mid, fee_usd=fee_usd, time_ms=self.now_ms)
        self.stream.append(made)
        list(self.core.step(self.now_ms, made))

    def status(self) -> m.AccountStatus:
        of, totals = self.ledger, self.ledger.totals
        told = line(
            position_sz=of.position_sz, mark_px=of.mark_px, realized_usd=totals.realized_usd,
            unrealized_usd=totals.unrealized_usd, fees_usd=totals.fees_usd, funding_usd=totals.funding_usd,
            volume_usd=totals.volume_usd, fills=totals.fills,
        )  # fmt: skip
        return status(self.now_ms, told, session_start_ms=SESSION_MS)

    def tell(self) -> None:
        list(self.core.step(self.now_ms, self.status()))

    def restart(self) -> None:
        """A new monitor hears what the streams hold, and gets the last fill once more."""
        self.core = monitor()
        for message in (*self.stream, self.status()):
            self.core.restore(self.now_ms, message)
        for message in self.stream[-1:]:
            list(self.core.step(self.now_ms, message))

    def go(self, what: str, *values) -> None:
        self.now_ms += 700
        match what:
            case "fill":
                self.fill(*values)
            case "mid":
                mid = str(values[0])
                self.ledger.mark(values[0])
                list(self.core.step(self.now_ms, book(time_ms=self.now_ms, bid=mid, ask=mid)))
            case "funding":
                self.ledger.fund(self.now_ms, Decimal(values[0]) / 1000)
            case "status":
                self.tell()
            case "restart":
                self.restart()


@given(steps)
def test_parts_add_up_to_net_and_are_those_of_the_ledger(happened):
    trading = Trading()
    for what, *values in happened:
        trading.go(what, *values)
        parts = trading.core.coins["BTC"].edge.parts_usd
        if parts is not None:
            assert sum(parts[part] for part in EARNED) == pytest.approx(parts["net"], abs=1e-9)
    trading.now_ms += 700
    trading.tell()
    ledger, parts = trading.ledger, trading.core.coins["BTC"].edge.parts_usd
    if parts is None:
        assert not ledger.seq and not ledger.total_usd, "everything was heard"
        return
    assert parts["net"] == pytest.approx(float(ledger.total_usd), abs=1e-9)
    assert parts["capture"] == pytest.approx(float(ledger.capture_usd), abs=1e-9)
    assert parts["adverse"] + parts["inventory"] == pytest.approx(float(ledger.inventory_usd), abs=1e-9)
    assert (parts["fees"], parts["funding"]) == pytest.approx((-float(ledger.fees_usd), float(ledger.funding_usd)))


def test_the_move_within_five_seconds_is_adverse_and_the_rest_inventory():
    trading = Trading()
    trading.tell()
    trading.fill("bid", Decimal("99.9"), 10, Decimal(100), fee=15)
    for after_ms, mid in ((5_000, "99.8"), (5_100, "99.8"), (20_000, "99.5")):
        trading.ledger.mark(Decimal(mid))
        list(trading.core.step(0, book(time_ms=SESSION_MS + after_ms, bid=mid, ask=mid)))
    trading.now_ms += 20_000
    trading.tell()
    expected = {"capture": 0.1, "adverse": -0.2, "inventory": -0.3, "fees": -0.015, "funding": 0.0, "net": -0.415}
    assert trading.core.coins["BTC"].edge.parts_usd == pytest.approx(expected)


def test_nothing_is_told_of_a_session_of_which_a_fill_is_missing():
    trading = Trading()
    trading.ledger.fill("bid", Decimal(100), Decimal(1), Decimal(0), Decimal(100))
    trading.fill("bid", Decimal(100), 10, Decimal(101), fee=0)
    trading.tell()
    assert trading.core.coins["BTC"].edge.parts_usd is None


def test_a_new_session_begins_without_the_fills_of_the_last():
    trading = Trading()
    trading.fill("bid", Decimal(99), 10, Decimal(100), fee=0)
    trading.tell()
    later = msgspec.structs.replace(fill(seq=2, side="ask", px="102", sz="1"), mid_px=Decimal(100), time_ms=60_000)
    core = trading.core
    list(core.step(60_000, later))
    told = line(fills=1, position_sz=Decimal(0), realized_usd=Decimal(3), volume_usd=Decimal(102))
    list(core.step(60_001, status(60_001, told, session_start_ms=50_000)))
    parts = core.coins["BTC"].edge.parts_usd
    assert parts is not None
    assert (parts["capture"], parts["net"]) == (2.0, 3.0)
