"""What a block leads to: liquidations, funding; requests with their signatures; the order inside a block."""

from decimal import Decimal

from services.venue.config import VenueConfig
from services.venue.exchange.account import Leverage
from services.venue.exchange.facts import ActionTaken, Filled, FundingPaid, Liquidated, OrderChanged
from services.venue.exchange.liquidating import BACKSTOP_ADDRESS
from services.venue.exchange.mempool import Mempool
from services.venue.exchange.requests import Signed
from shared.hyperliquid.actions import (
    BatchModify,
    Cancel,
    CancelWire,
    LimitType,
    ModifyWire,
    Noop,
    OrderType,
    OrderWire,
    PlaceOrders,
    PriorityFee,
    ScheduleCancel,
    UpdateLeverage,
)
from shared.hyperliquid.wire import Ctx
from tests.fixtures.venue_exchange import order, stage, statuses, trigger
from tests.fixtures.venue_world import BTC, GOLD, KPEPE, total_money

KEY = "0x" + "7" * 40


def long_btc(s, usd, sz):
    account = s.account(usd)
    account.leverage[BTC] = Leverage(40)
    s.quote(BTC, -1, "100000", sz)
    s.place(account, order(True, "100000", sz, "Ioc"))
    return account


# ---- liquidation ----


def test_a_small_position_is_sold_whole_and_both_sides_say_why():
    s = stage()
    account, maker = long_btc(s, 1_000, "0.3"), s.account()
    s.place(account, order(False, "101000", "0.1"), order(True, "0.005", "10000", asset=1))
    s.place(maker, order(True, "97500", "0.3", "Alo"))
    s.mark(BTC, "97900")
    s.block()
    (liquidated,) = [fact for fact in s.facts if isinstance(fact, Liquidated)]
    assert (liquidated.user, liquidated.method, liquidated.maintenance_usd) == (
        account.address,
        "market",
        Decimal("367.125"),
    )
    assert s.position(account, BTC) == 0 and s.position(maker, BTC) == Decimal("0.3")
    ended = [fact.status for fact in s.facts if isinstance(fact, OrderChanged) and fact.user == account.address]
    assert ended[-4:] == ["liquidatedCanceled", "liquidatedCanceled", "open", "filled"]
    *_, made, taken = [fact for fact in s.facts if isinstance(fact, Filled)]
    for fill in (made, taken):
        assert fill.liquidated_user == account.address and fill.liquidation_method == "market"
        assert fill.liquidation_mark_px == 97_900
    assert taken.cloid is None and taken.crossed and not made.crossed
    assert total_money(s.world) == s.world.deposited


def test_a_large_position_is_sold_by_a_fifth_and_then_whole():
    s = stage()
    account = long_btc(s, 5_000, "1.5")
    s.mark(BTC, "97900")
    s.quote(BTC, 1, "97800", "2")
    s.block()
    assert s.position(account, BTC) == Decimal("1.2")
    s.block()
    assert s.position(account, BTC) == Decimal("1.2")
    s.mark(BTC, "97600")
    s.block()
    assert s.position(account, BTC) == 0


def test_nothing_is_sold_where_nobody_buys_above_ruin():
    s = stage()
    account = long_btc(s, 1_000, "0.3")
    s.quote(BTC, 1, "96600", "1")
    s.mark(BTC, "97900")
    s.block()
    assert s.position(account, BTC) == Decimal("0.3")
    assert not any(isinstance(fact, Liquidated) for fact in s.facts)
    s.quote(BTC, 1, "97800", "1")
    s.world.listings[BTC].halted = True
    s.block()
    assert s.position(account, BTC) == Decimal("0.3")
    s.world.listings[BTC].halted = False
    s.block()
    assert s.position(account, BTC) == 0


def test_the_backstop_takes_what_is_nearly_lost():
    s = stage()
    account = long_btc(s, 1_000, "0.3")
    s.place(account, order(False, "101000", "0.1"))
    s.mark(BTC, "97000")
    s.block()
    (liquidated,) = [fact for fact in s.facts if isinstance(fact, Liquidated)]
    assert liquidated.method == "backstop"
    assert s.position(account, BTC) == 0 and account.pool().raw_usd == 0 and not account.orders
    vault = s.world.accounts.get(BACKSTOP_ADDRESS)
    assert vault is not None and s.position(vault, BTC) == Decimal("0.3")
    *_, given, got = [fact for fact in s.facts if isinstance(fact, Filled)]
    assert [(fill.user, fill.side, fill.crossed) for fill in (given, got)] == [
        (account.address, "A", True),
        (vault.address, "B", False),
    ]
    for fill in (given, got):
        assert (fill.px, fill.fee, fill.tid, fill.hash) == (97_000, 0, given.tid, given.hash)
        assert (fill.liquidation_method, fill.liquidated_user) == ("backstop", account.address)
    assert (given.dir, got.dir, got.start_position) == ("Close Long", "Open Long", 0)
    assert total_money(s.world) == s.world.deposited
    s.mark(BTC, "50000")
    s.block()
    assert s.position(vault, BTC) == Decimal("0.3")


def two_longs(s):
    """With the mark of BTC at 92,100 about 50 is left, and maintenance is 11.5 for BTC and 50.5 for kPEPE."""
    account = s.account(130)
    account.leverage[BTC] = Leverage(40)
    for asset, coin, px, sz in ((0, BTC, "100000", "0.01"), (1, KPEPE, "0.01", "101000")):
        s.quote(coin, -1, px, sz)
        (status,) = s.place(account, order(True, px, sz, "Ioc", asset=asset))
        assert "filled" in status
    return account


def test_sales_end_when_the_pool_is_safe_again():
    s = stage()
    account = two_longs(s)
    s.mark(BTC, "92100")
    s.quote(BTC, 1, "92100", "1")
    s.quote(KPEPE, 1, "0.01", "200000")
    s.block()
    assert s.position(account, KPEPE) == 0 and s.position(account, BTC) == Decimal("0.01")
    s.block()
    assert s.position(account, BTC) == Decimal("0.01")
    assert sum(isinstance(fact, Liquidated) for fact in s.facts) == 1


def test_a_second_sale_knows_what_the_first_one_lost():
    """The first sale takes most of the pool, and the second must not lose it once more."""
    s = stage()
    account = two_longs(s)
    s.mark(BTC, "92100")
    s.quote(KPEPE, 1, "0.0096", "200000")
    s.quote(BTC, 1, "90000", "1")
    s.block()
    assert s.position(account, KPEPE) == 0 and s.position(account, BTC) == Decimal("0.01")
    assert account.pool().raw_usd + 921_000 * 1_000 > 0, "at 90,000 more than the rest would have been lost"
    assert total_money(s.world) == s.world.deposited


def test_what_a_pool_owes_in_the_end_the_backstop_pays():
    """Prices jump past ruin within a block, in which the account closes by itself."""
    s = stage()
    account = long_btc(s, 1_000, "0.3")
    s.mark(BTC, "90000")
    s.quote(BTC, 1, "90000", "1")
    s.place(account, order(False, "90000", "0.3", "Ioc", reduce_only=True))
    owed = -account.pool().raw_usd
    assert owed > 0 and not account.pool().positions
    s.block()
    vault = s.world.accounts.get(BACKSTOP_ADDRESS)
    assert vault is not None and (account.pool().raw_usd, vault.pool().raw_usd) == (0, -owed)
    assert total_money(s.world) == s.world.deposited


def test_an_isolated_position_falls_alone():
    s = stage()
    account = s.account(10_000, "xyz")
    s.quote(GOLD, -1, "4000", "1")
    s.place(account, order(True, "4000", "1", "Ioc", asset=110_000))
    s.place(account, order(True, "3000", "1", asset=110_000))
    s.mark(GOLD, "3885")
    s.quote(GOLD, 1, "3880", "2")
    s.block()
    assert s.position(account, GOLD) == 0
    (liquidated,) = [fact for fact in s.facts if isinstance(fact, Liquidated)]
    assert (liquidated.dex, liquidated.method) == ("xyz", "market")
    assert total_money(s.world) == s.world.deposited


# ---- references and funding ----


def ctx(mark="100000", oracle="100000", funding="0.0001", interest="12.5"):
    return Ctx(*(Decimal(text) for text in (funding, interest, "1", "1", oracle, mark)))


def test_funding_is_paid_when_the_hour_turns():
    s = stage()
    account = long_btc(s, 10_000, "0.5")
    s.exchange.refer(BTC, ctx(oracle="90000"))
    to_hour_ms = 3_600_000 - s.world.now_ms % 3_600_000
    s.block(to_hour_ms - 1)
    s.exchange.end()
    assert not any(isinstance(fact, FundingPaid) for fact in s.facts)
    s.block(1)
    s.block(70)
    s.exchange.end()
    (paid,) = [fact for fact in s.facts if isinstance(fact, FundingPaid)]
    assert (paid.user, paid.usd) == (account.address, Decimal("-4.5"))


def test_the_first_block_of_a_world_pays_nothing():
    s = stage()
    long_btc(s, 10_000, "0.5")
    s.world.now_ms = 0
    s.exchange.begin(1_790_000_000_000)
    s.exchange.end()
    assert not any(isinstance(fact, FundingPaid) for fact in s.facts)


def test_dates_never_go_back():
    s = stage()
    now_ms = s.world.now_ms
    s.exchange.begin(now_ms - 5)
    assert s.world.now_ms == now_ms


def test_reference_prices_come_with_the_context():
    s = stage()
    s.exchange.refer(BTC, ctx("100001.5", "99999"))
    listing = s.world.listings[BTC]
    assert (listing.mark_px, listing.oracle_px, listing.open_lots) == (1_000_015, 999_990, 1_250_000)
    assert listing.rate_1h == Decimal("0.0001")


# ---- requests ----


def test_a_request_is_admitted_executed_and_put_on_record():
    s = stage(fund=1_000)
    action = PlaceOrders((order(True, "90000", "0.01"), order(True, "90000", "0.01")), "na")
    reply = s.exchange.execute(Signed(action, KEY, s.world.now_ms))
    assert [list(status) for status in statuses(reply)] == [["resting"], ["resting"]]
    taken = s.facts[-1]
    assert isinstance(taken, ActionTaken)
    assert (taken.user, taken.action, taken.weight, taken.reply) == (KEY, "order", 2, reply)


def test_a_request_of_nobody_is_refused_and_put_on_record():
    s = stage(fund=0)
    reply = s.exchange.execute(Signed(Noop(), KEY, s.world.now_ms))
    assert reply == {"status": "err", "response": f"User or API Wallet {KEY} does not exist."}
    taken = s.facts[-1]
    assert isinstance(taken, ActionTaken) and (taken.user, taken.signer, taken.weight) == ("", KEY, 0)


def test_account_actions_go_through_the_same_door():
    s = stage()
    account = s.account()
    assert s.exchange.act(account, UpdateLeverage(1, True, 3))["status"] == "ok"
    assert account.leverage[KPEPE] == Leverage(3)
    assert s.exchange.act(account, UpdateLeverage(1, True, 99)) == {
        "status": "err",
        "response": "Invalid leverage value",
    }


# ---- mempool ----


def batch(tif, grouping="na"):
    return PlaceOrders((OrderWire(0, True, "1", "1", False, OrderType(limit=LimitType(tif))),), grouping)


def modification(tif):
    return BatchModify((ModifyWire(1, batch(tif).orders[0]),))


def mempool(**config):
    return Mempool(VenueConfig(**{"order_delay_ms": 100, "taker_delay_ms": 360, **config}))


def tags(pool, block_ms):
    return [[tag for _, tag in group] for group in pool.due(block_ms)]


def test_the_order_inside_a_block():
    pool = mempool(taker_delay_ms=0)
    requests = {
        "ioc": batch("Ioc"),
        "cancel": Cancel((CancelWire(0, 1),)),
        "gtc modify": modification("Gtc"),
        "stop": PlaceOrders((trigger(True, "1", "1", "sl"),), "na"),
        "post": batch("Alo"),
        "mixed": PlaceOrders((*batch("Alo").orders, *batch("Gtc").orders), "na"),
        "post modify": modification("Alo"),
        "leverage": UpdateLeverage(0, True, 1),
        "cancel too": Cancel((CancelWire(0, 1),)),
        "switch": ScheduleCancel(),
        "noop": Noop(),
    }
    for arrived_ms, (tag, action) in enumerate(requests.items()):
        pool.add(Signed(action, KEY, 1), arrived_ms, tag)
    assert tags(pool, 99) == [[], [], []] and len(pool) == len(requests)
    assert tags(pool, 200) == [
        ["noop", "post", "post modify", "leverage", "switch"],
        ["cancel", "cancel too"],
        ["ioc", "gtc modify", "stop", "mixed"],
    ]
    assert not pool


def test_who_pays_to_be_due_earlier_goes_first_though_later_sent():
    pool = mempool()
    pool.add(Signed(batch("Ioc"), KEY, 1), 0, "unpaid")
    pool.add(Signed(batch("Ioc", PriorityFee(80_000)), KEY, 1), 50, "paid")
    assert tags(pool, 500)[2] == ["paid", "unpaid"]


def test_a_cancel_sent_later_still_beats_a_taker():
    pool = mempool()
    pool.add(Signed(batch("Ioc"), KEY, 1), 0, "taker")
    pool.add(Signed(Cancel((CancelWire(0, 1),)), KEY, 2), 300, "cancel")
    assert tags(pool, 399) == [[], [], []]
    assert tags(pool, 400) == [[], ["cancel"], []]
    assert tags(pool, 459) == [[], [], []]
    assert tags(pool, 460) == [[], [], ["taker"]]


def test_priority_shortens_the_wait_of_takers():
    pool = mempool()
    for fee, tag in ((0, "none"), (40_000, "half"), (80_000, "all"), (10**9, "more")):
        pool.add(Signed(batch("Ioc", PriorityFee(fee)), KEY, 1), 0, tag)
    assert tags(pool, 100)[2] == ["all", "more"]
    assert tags(pool, 280)[2] == ["half"]
    assert tags(pool, 460)[2] == ["none"]
