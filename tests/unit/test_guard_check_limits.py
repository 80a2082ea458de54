"""The rules whose formula is tested elsewhere: as checks, at their limit, just under and just over it."""

from decimal import Decimal
from typing import Any

import pytest

from services.guard.checks.book import Feed, StaleBook
from services.guard.checks.daily_loss import DailyLoss
from services.guard.checks.forgiven import REBASE_MS
from services.guard.checks.ofi import Ofi
from services.guard.checks.stall import Stall
from services.guard.config import GuardConfig
from services.guard.rules import Reading, Resumed
from shared.messages import Reason
from shared.service import Started
from tests.fixtures.guard_checks import COIN, T0, book, heard, trades
from tests.fixtures.make import account_status

CONFIG = GuardConfig()


# ---- the day ----


def lost(check: DailyLoss, day_pnl: str, now_ms: int = T0, day_start_ms: int = T0 - 1) -> Reading:
    status = account_status(now_ms, day_pnl_usd=Decimal(day_pnl), day_start_ms=day_start_ms)
    return heard(check, (now_ms, status))


@pytest.mark.parametrize(
    ("day_pnl", "value", "fired"),
    [("20", 0.0, False), ("-49.99", 0.04999, False), ("-50", 0.05, False), ("-50.01", 0.05001, True)],
)
def test_five_percent_of_the_balance_may_be_lost_in_a_day(day_pnl: str, value: float, fired: bool) -> None:
    reading = lost(DailyLoss(CONFIG), day_pnl)
    assert (reading.value, reading.limit, reading.fired) == (value, 0.05, fired)
    assert reading.detail == ("Daily drawdown 5.00% >= cap 5.00%" if fired else "")


def test_what_a_resume_has_forgiven_is_not_lost_again() -> None:
    check = DailyLoss(CONFIG)
    assert lost(check, "-51").fired
    check.hear(T0 + 1, Resumed(T0 + 1))
    assert lost(check, "-51", T0 + 2).value is None
    assert lost(check, "-51", T0 + 3, day_start_ms=T0 + 1).fired
    assert lost(check, "-51", T0 + 1 + REBASE_MS).fired


# ---- silence ----


@pytest.mark.parametrize(("silent_ms", "fired"), [(29_999, False), (30_000, False), (30_001, True)])
def test_thirty_seconds_without_a_frame_are_a_stall(silent_ms: int, fired: bool) -> None:
    check = Stall(CONFIG)
    assert check.read(T0 - 3_600_000).value is None
    check.hear(T0 - 60_000, Started())
    check.hear(T0, book(T0))
    reading = check.read(T0 + silent_ms)
    assert (reading.value, reading.limit, reading.fired) == (silent_ms / 1000, 30.0, fired)
    check.hear(T0 + silent_ms + 1, book(T0 + silent_ms + 1))
    assert not check.read(T0 + silent_ms + 1).fired


@pytest.mark.parametrize(("age_ms", "fired"), [(14_999, False), (15_000, False), (15_001, True)])
def test_a_book_older_than_fifteen_seconds_is_stale(age_ms: int, fired: bool) -> None:
    check = StaleBook(COIN, CONFIG)
    check.hear(T0, Feed(epoch=1, fresh_after_ms=0.0))
    assert check.read(T0).reason is Reason.NO_BOOK
    check.hear(T0, book(T0))
    reading = check.read(T0 + age_ms)
    assert (reading.value, reading.fired) == (age_ms / 1000, fired)
    assert reading.reason is (Reason.STALE_BOOK if fired else None)


# ---- flow ----


def flow(bought: int, sold: int) -> Ofi:
    """So many prints of each side, of one coin each."""
    check = Ofi(COIN, CONFIG)
    for count, side, first in ((bought, "B", 0), (sold, "A", 1000)):
        if count:
            check.hear(T0, trades(T0, *["100"] * count, side=side, tid=first))
    return check


@pytest.mark.parametrize(
    ("bought", "sold", "ofi", "side"),
    [
        (31, 169, -0.69, None),
        (30, 170, -0.70, None),
        (29, 171, -0.71, "bid"),
        (169, 31, 0.69, None),
        (170, 30, 0.70, None),
        (171, 29, 0.71, "ask"),
        (0, 50, -1.0, "bid"),
        (0, 49, None, None),
    ],
)
def test_the_side_that_takers_would_hit_is_pulled_above_seventy_percent(
    bought: int, sold: int, ofi: float | None, side: Any
) -> None:
    reading = flow(bought, sold).read(T0)
    assert (reading.value, reading.limit, reading.fired) == (ofi, 0.70, side is not None)
    if side is not None:
        dominance = Reason.OFI_SELL_DOMINANCE if side == "bid" else Reason.OFI_BUY_DOMINANCE
        assert (reading.side, reading.reason) == (side, dominance)


def test_a_flow_that_evens_out_or_is_forgotten_recovers_by_itself() -> None:
    check = flow(0, 200)
    assert check.read(T0).fired
    check.hear(T0 + 1000, trades(T0 + 1000, *["100"] * 30, side="B"))
    assert check.read(T0 + 1000).value == -0.70 and not check.read(T0 + 1000).fired
    silent = flow(0, 200)
    assert silent.read(T0 + 600_000).fired and not silent.read(T0 + 600_001).fired
