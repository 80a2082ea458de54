"""Which orders the venue remembers."""

from decimal import Decimal

from services.venue.exchange.account import ORDERS_KEPT
from tests.fixtures.venue_exchange import oid_of, order, stage
from tests.fixtures.venue_world import BTC

FIRST, SECOND = "0x" + "01" * 16, "0x" + "02" * 16


def test_the_newest_ended_orders_are_known_and_all_that_live_however_old() -> None:
    s = stage()
    account = s.account()
    (living,) = s.place(account, order(True, "90000", "0.01", cloid=FIRST))
    for _ in range(2):
        s.place(account, order(True, "90000", "0.0001", cloid=SECOND))
    refused = sorted(account.known)[1:]
    assert [account.known[oid].status for oid in refused] == ["minTradeNtlRejected"] * 2
    for _ in range(ORDERS_KEPT - 1):
        s.place(account, order(True, "90000", "0.0001"))
    assert refused[0] not in account.known and account.by_cloid[SECOND] == refused[1]
    s.place(account, order(True, "90000", "0.0001"))
    assert refused[1] not in account.known and SECOND not in account.by_cloid
    assert account.known[oid_of(living)].status == "open" and account.by_cloid[FIRST] == oid_of(living)
    assert len(account.known) == ORDERS_KEPT + 1
    assert s.cancel_by_cloid(account, 0, FIRST) == "success"
    assert account.known[oid_of(living)].status == "canceled" and len(account.known) == ORDERS_KEPT


def test_an_old_order_that_ends_is_known_for_as_long_as_others() -> None:
    s = stage()
    account = s.account()
    (living,) = s.place(account, order(True, "90000", "0.01"))
    for _ in range(ORDERS_KEPT + 5):
        s.place(account, order(True, "90000", "0.0001"))
    s.hit(BTC, -1, "0.01")
    assert (account.known[oid_of(living)].status, account.known[oid_of(living)].sz) == ("filled", Decimal(0))
