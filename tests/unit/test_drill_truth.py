"""What a drill reads out of a truth log, and how it compares books with it."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from market_maker.drill.calm import unequal
from market_maker.drill.truth import Tail, Truth
from services.venue.exchange.facts import (
    ActionTaken,
    AnyFact,
    BalanceChanged,
    Filled,
    FundingPaid,
    OrderChanged,
    QueueMoved,
)
from services.venue.truth import TruthLog
from shared.hyperliquid.cloids import own_prefix
from shared.messages import Baseline, PositionState

ME = "0x" + "11" * 20
OWN = own_prefix(ME) + "00" * 11
D = Decimal


def order(oid: int, status: Any = "open", cloid: str | None = OWN + "01", **fields: Any) -> OrderChanged:
    given: dict[str, Any] = {
        "time_ms": 0, "user": ME, "coin": "BTC", "side": "B", "limit_px": D(100), "sz": D(1), "orig_sz": D(1),
        "tif": "Alo", "placed_ms": 0,
    }  # fmt: skip
    return OrderChanged(oid=oid, status=status, cloid=cloid, **given | fields)


FILL = Filled(
    time_ms=0, user=ME, coin="BTC", px=D(100), sz=D(2), side="B", start_position=D(-1), dir="",
    closed_pnl=D("1.5"), hash="", oid=1, crossed=False, fee=D("0.03"), tid=1, cloid=OWN + "01",
)  # fmt: skip


def told(*facts: AnyFact) -> Truth:
    truth = Truth(ME)
    for fact in facts:
        truth.take(fact)
    return truth


def test_orders_rest_until_they_end_and_those_of_others_are_told_apart() -> None:
    truth = told(order(1), order(2, cloid=None), order(3, cloid="0x" + "ff" * 16), order(4, user="0xother"))
    assert set(truth.own) == {1} and set(truth.foreign) == {2, 3}
    truth.take(order(1, "canceled"))
    assert not truth.own and truth.placed == 1 and truth.ended["canceled"] == 1


def test_an_order_that_shrinks_is_not_another_one() -> None:
    truth = told(order(1), order(1, sz=D("0.5"), resized=True))
    assert truth.placed == 1 and not truth.doubled


def test_two_orders_under_one_cloid_are_found_and_a_refused_one_is_none() -> None:
    assert told(order(1), order(1, "canceled"), order(2)).doubled == [OWN + "01"]
    assert told(order(1, "badAloPxRejected"), order(2)).doubled == []


def test_money_and_position_come_from_the_facts() -> None:
    truth = told(
        FILL,
        FundingPaid(time_ms=0, user=ME, coin="BTC", usd=D("-0.2"), szi=D(1), rate=D(0), hash=""),
        BalanceChanged(time_ms=0, user=ME, pool="", reason="fee", usd=D(-1), after_usd=D(999)),
        BalanceChanged(time_ms=0, user=ME, pool="spot", reason="deposit", usd=D(5), after_usd=D(5)),
        ActionTaken(time_ms=0, user=ME, signer="", nonce=1, action="order", weight=3, reply=None),
    )
    sums = truth.sums["BTC"]
    assert (sums.realized_usd, sums.fees_usd, sums.funding_usd) == (D("1.5"), D("0.03"), D("-0.2"))
    assert truth.positions == {"BTC": D(1)}
    assert (truth.cash_usd, truth.requests, truth.volume_usd) == (D(999), 3, D(200))


def test_only_an_own_order_that_takes_has_crossed() -> None:
    assert told(changed(FILL, crossed=True)).crossed
    assert not told(FILL).crossed and not told(changed(FILL, crossed=True, cloid=None)).crossed


# ---- the file ------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 12), max_size=12), st.integers(200, 2000))
def test_a_log_that_grows_and_goes_on_in_new_files_is_read_once(
    tmp_path_factory: pytest.TempPathFactory, batches: list[int], part_bytes: int
) -> None:
    path = tmp_path_factory.mktemp("truth") / "truth.jsonl"
    log, tail = TruthLog(path, warn=pytest.fail, part_bytes=part_bytes), Tail(path)
    written: list[AnyFact] = []
    read: list[AnyFact] = []
    for batch in batches:
        for _ in range(batch):
            written.append(order(len(written) + 1))
            log.note(written[-1])
            log.note(QueueMoved(time_ms=0, user=ME, coin="BTC", oid=1, ahead_sz=D(1)))
        log.flush()
        read += tail.news()
    log.close()
    tail.close()
    assert read == written


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "truth.jsonl"
    log, tail = TruthLog(path, warn=pytest.fail), Tail(path)
    assert list(tail.news()) == []
    log.note(order(1))
    log.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:50])
    assert list(tail.news()) == []
    with path.open("ab") as file:
        file.write(whole[50:])
    assert list(tail.news()) == [order(1)]
    tail.close()


# ---- books against it ----------------------------------------------------------------------------------------

LEDGER = PositionState(
    coin="BTC", seq=1, position_sz=D(1), cost_usd=D(100), realized_usd=D("1.5"), fees_usd=D("0.03"),
    funding_usd=D("-0.2"), volume_usd=D(200), fills=1, mode="live",
)  # fmt: skip
BASELINE = Baseline(account=ME, opened_ms=0, cash_usd=D(1000), proven_ms=0)
FACTS = (
    FILL,
    FundingPaid(time_ms=0, user=ME, coin="BTC", usd=D("-0.2"), szi=D(1), rate=D(0), hash=""),
    BalanceChanged(time_ms=0, user=ME, pool="", reason="fee", usd=D(0), after_usd=D("901.27")),
)


def test_equal_books_have_no_differences() -> None:
    assert unequal(told(*FACTS), {"BTC": LEDGER}, BASELINE) == []


@pytest.mark.parametrize("field", ["position_sz", "realized_usd", "fees_usd", "funding_usd"])
def test_every_part_of_the_books_must_agree(field: str) -> None:
    off = changed(LEDGER, **{field: getattr(LEDGER, field) + D("0.000002")})
    assert unequal(told(*FACTS), {"BTC": off}, BASELINE)


def test_missing_ledgers_and_books_are_differences() -> None:
    assert "BTC: no ledger" in unequal(told(*FACTS), {}, BASELINE)
    assert unequal(told(*FACTS), {"BTC": LEDGER}, None) == ["the books were never opened"]
    assert unequal(told(*FACTS), {"BTC": LEDGER}, changed(BASELINE, cash_usd=D("1000.00001")))
