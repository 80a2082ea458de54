"""The life of orders around the core: placing, keeping, cancelling, and every reason to stop."""

from decimal import Decimal

import pytest

from market_maker.explain.find import meant
from services.executor.orders import LIVES, LiveOrder, NewOrder, cloid
from services.executor.reports import EndProcess
from shared.errors import InvariantError
from shared.log import render
from shared.messages import (
    AccountState,
    AccountStatus,
    AssetConfig,
    Book,
    Event,
    Fill,
    Funding,
    HaltState,
    PositionState,
    Reason,
)
from shared.service import BusBack, BusLost, Started, Stopping, Tick
from tests.fixtures.executor_world import COIN, LATENCY_MS, START_MS, World

BID = (1, "99.98", "0.20")
ASK = (1, "100.02", "0.20")


def test_a_target_with_lease_and_book_becomes_resting_orders_after_the_latency():
    world = World()
    world.book()
    world.lease()
    placed = world.target([BID], [ASK])
    assert [(update.side, update.status) for update in placed] == [("bid", "pending"), ("ask", "pending")]
    assert all(update.source_ms == world.desk.target.source_ms for update in placed)
    world.wait(LATENCY_MS - 100)
    assert world.updates("open") == []
    world.wait(100)
    assert [update.side for update in world.updates("open")] == ["bid", "ask"]


def test_a_small_move_keeps_the_place_in_the_queue_and_a_large_one_is_replaced_at_once():
    world = World().rest([BID])
    assert world.target([(1, "99.985", "0.20")]) == []  # half of the level's own distance to the mid
    moved = world.target([(1, "99.94", "0.20")])
    assert [update.status for update in moved] == ["cancelling", "pending"]
    world.wait(LATENCY_MS)
    assert [str(order.new.px) for order in world.orders] == ["99.94"]


def test_a_level_that_moves_again_waits_until_its_first_order_is_gone():
    world = World().rest([BID])
    world.target([(1, "99.94", "0.20")])
    moved = world.target([(1, "99.88", "0.20")])
    assert [(update.status, str(update.px)) for update in moved] == [("cancelling", "99.94")]
    world.wait(LATENCY_MS)
    world.wait(LATENCY_MS)
    assert [str(order.new.px) for order in world.orders] == ["99.88"]


def test_a_target_without_a_side_cancels_it_and_shows_the_quoters_reason():
    world = World().rest([BID], [ASK])
    world.target([], [ASK], bid_reason=Reason.MAX_INVENTORY)
    world.wait(1000)
    status = world.said(AccountStatus)[-1].coins[0]
    assert (status.resting_bids, status.resting_asks) == (0, 1)
    assert (status.bid_reason, status.ask_reason) == (Reason.MAX_INVENTORY, None)
    assert status.best_ask_px == Decimal("100.02")


def test_a_lapsed_lease_cancels_everything_and_places_nothing():
    world = World().rest([BID], [ASK])
    for _ in range(6):
        world.wait(450)
        world.book()
        world.target([BID], [ASK])
    world.wait(2000)
    assert world.orders == []
    assert world.said(AccountStatus)[-1].coins[0].bid_reason is Reason.LEASE_EXPIRED
    world.book()
    assert world.target([BID], [ASK]) == []
    world.lease()
    assert len(world.orders) == 2


@pytest.mark.parametrize("silent", ["book", "target"])
def test_a_silent_feed_or_quoter_ends_in_cancelled_orders(silent):
    world = World().rest([BID], [ASK])
    for _ in range(14):
        world.wait(500)
        world.lease()
        if silent == "target":
            world.book()
        else:
            world.target([BID], [ASK])
    assert world.orders == []
    wanted = {"book": Reason.STALE_BOOK, "target": Reason.NO_TARGET}[silent]
    assert world.desk.refused["bid"] is wanted


def test_a_new_connection_cancels_everything_and_old_books_are_ignored():
    world = World().rest([BID])
    old = world.desk.book
    world.epoch = 2
    world.book()
    assert world.updates("cancelling")[-1].reason == "feed reconnected"
    assert world.lines("RECONCILE") == ["✅ Inventory matches. No dark fills detected."] * 2
    world.feed(old)
    assert world.desk.book.epoch == 2
    world.wait(LATENCY_MS)
    world.target([BID])
    assert [order.state for order in world.orders] == ["pending"]


def test_an_ingestor_that_counts_its_connections_anew_is_followed():
    world = World()
    world.epoch = 7
    world.book()
    world.epoch = 1
    world.book()
    assert world.desk.book.epoch == 1


def test_halt_holds_until_resume_even_without_a_guard():
    world = World().rest([BID])
    world.command("halt", "h")
    assert world.orders[0].state == "cancelling"
    world.wait(LATENCY_MS)
    world.book()
    world.lease()
    assert world.target([BID]) == []
    assert world.desk.refused["bid"] is Reason.HALTED
    world.command("resume", "r")
    assert len(world.target([BID])) == 1


def test_a_stored_halt_forbids_orders_from_the_start():
    world = World(start=False)
    world.feed(HaltState(halted=True, reason="loss", who="guard", since_ms=1))
    world = world_started(world)
    world.book()
    world.lease()
    assert world.target([BID]) == []
    world.feed(HaltState(halted=False))
    assert len(world.target([BID])) == 1


def world_started(world):
    from shared.messages import Universe
    from tests.fixtures.executor_world import META

    world.feed(Universe(coins=(META,), time_ms=world.now_ms))
    world.feed(Started())
    return world


def test_a_repeated_cancel_all_changes_nothing():
    world = World().rest([BID])
    assert world.command("cancel_all", "x")
    world.wait(LATENCY_MS)
    world.target([BID])
    assert world.command("cancel_all", "x") == []
    assert [order.state for order in world.orders] == ["pending"]


def test_a_lost_bus_cancels_and_needs_everything_fresh_afterwards():
    world = World().rest([BID])
    world.feed(BusLost())
    for _ in range(5):
        world.now_ms += 100
        world.feed(BusLost())
    assert world.orders == []
    world.feed(BusBack())
    assert world.target([BID]) == []
    world.lease()
    assert world.orders == []
    world.book()
    assert len(world.orders) == 1


def test_stopping_leaves_nothing_behind_and_says_how_it_went():
    world = World().rest([BID], [ASK])
    last = world.feed(Stopping())
    assert world.orders == []
    assert len(world.updates("canceled")) == 2
    assert [type(message) for message in last].count(AccountStatus) == 1
    assert world.lines("SHADOW SESSION") == ["Shadow PnL: $0.0000 | Volume: $0.00 | Rebates: $0.0000 | Fills: 0"]
    world.now_ms += 10
    assert world.feed(Tick()) == []


def test_a_fill_is_published_with_its_position_and_its_line():
    world = World().rest([(1, "99.98", "0.20")])
    world.trades(("99.97", "5", "A"))
    fill = world.fills[0]
    place = world.out.index(fill)
    position = world.out[place + 1]
    assert isinstance(position, PositionState)
    assert (position.seq, position.position_sz) == (1, Decimal("0.20"))
    assert (fill.px, fill.sz, fill.fee_usd) == (Decimal("99.98"), Decimal("0.20"), Decimal("0.002999"))
    assert world.lines("SHADOW FILL") == [
        "SOL bid L1 @ 99.98 | sz=$20.00 | rebate=$-0.0030 | total_rebates=$-0.0030"
    ]
    [said] = [event for event in world.out if isinstance(event, Event) and event.tag == "SHADOW FILL"]
    assert render(said).endswith("total_rebates=$-0.0030 fill=SOL:1") and meant(fill, said.fields["fill"])
    assert world.updates("filled")[0].filled_sz == Decimal("0.20")


def test_the_mid_of_a_fill_is_the_one_before_its_block_even_if_the_book_came_first():
    world = World().rest([(1, "99.98", "0.20")])
    world.book()
    after_sweep = Book(
        coin=COIN,
        time_ms=world.now_ms + 5,
        received_ms=float(world.now_ms + 5),
        epoch=1,
        bids=world.desk.book.bids[1:],
        asks=world.desk.book.asks,
    )
    world.now_ms += 5
    world.feed(after_sweep)
    world.trades(("99.97", "5", "A"), ms=0)
    assert world.fills[0].mid_px == Decimal("100.00")


def test_only_the_reducing_side_may_rest_and_only_up_to_the_position():
    world = World().rest([(1, "99.98", "0.20")])
    world.trades(("99.97", "5", "A"))
    world.lease(bid="none", ask="reduce", bid_reason=Reason.OFI_SELL_DOMINANCE, ask_reason=Reason.REDUCE_ONLY)
    world.target([BID], [(1, "100.02", "0.20"), (2, "100.05", "0.20")])
    assert [(order.new.side, order.new.level) for order in world.orders] == [("ask", 1)]
    assert world.desk.refused["bid"] is Reason.OFI_SELL_DOMINANCE


def test_a_filled_level_waits_for_a_target_that_knows_of_the_fill():
    """A silent quoter must not let one level fill again and again, past the position limit."""
    world = World().rest([(1, "99.98", "0.20")])
    outdated = world.desk.target
    world.trades(("99.97", "5", "A"))
    world.feed(outdated)
    world.lease()
    world.book()
    assert world.orders == []
    assert len(world.target([(1, "99.98", "0.20")])) == 1


def test_a_permit_that_shrinks_to_reduce_cancels_what_would_not_reduce():
    world = World().rest([BID], [ASK])
    world.lease(bid="reduce", ask="reduce")
    assert [order.state for order in world.orders] == ["cancelling", "cancelling"]


def test_funding_is_booked_once_at_the_full_hour_on_the_oracle_price():
    hour_ms = 3_600_000
    world = World(now_ms=START_MS - START_MS % hour_ms + hour_ms - 10_000)
    world.rest([(1, "99.98", "0.20")])
    world.trades(("99.97", "5", "A"))
    world.ctx(oracle="101", rate=0.0001)
    world.wait(15_000)
    world.ctx(oracle="200", rate=0.01)
    world.wait(15_000)
    paid = world.said(Funding)
    assert [(one.usd, one.hour_ms % hour_ms) for one in paid] == [(Decimal("-0.002020"), 0)]
    assert world.desk.ledger.funding_usd == Decimal("-0.002020")


def test_an_hour_without_a_known_rate_is_reported_and_not_invented():
    hour_ms = 3_600_000
    world = World(now_ms=START_MS - START_MS % hour_ms + hour_ms - 10_000)
    world.rest([(1, "99.98", "0.20")])
    world.trades(("99.97", "5", "A"))
    world.wait(80_000, every_ms=1000)
    assert world.said(Funding) == []
    assert world.lines("FUNDING") == ["SOL: 1 hour(s) not booked, oracle price and rate of that time are unknown."]


def test_the_days_loss_budget_begins_at_midnight_and_at_the_resume_that_ends_a_halt():
    day_ms = 86_400_000
    midnight_ms = START_MS - START_MS % day_ms + day_ms
    world = World(now_ms=midnight_ms - 2_000)
    world.wait(1_000)
    assert world.said(AccountStatus)[-1].day_start_ms == midnight_ms - day_ms
    world.wait(3_000)
    assert world.said(AccountStatus)[-1].day_start_ms == midnight_ms
    world.command("resume", "c0", time_ms=midnight_ms + 1_400)
    world.wait(1_000)
    assert world.said(AccountStatus)[-1].day_start_ms == midnight_ms
    world.feed(HaltState(halted=True, reason="loss", who="guard", since_ms=midnight_ms))
    world.feed(HaltState(halted=False))
    world.command("resume", time_ms=midnight_ms + 1_500)
    world.wait(1_000)
    assert world.said(AccountStatus)[-1].day_start_ms == midnight_ms + 1_500


def test_a_post_only_order_that_would_cross_on_arrival_is_rejected_and_counted():
    world = World()
    world.book()
    world.lease()
    world.target([(1, "100.00", "0.20")])
    world.book(bids=[("99.90", "5")], asks=[("99.95", "5")])
    world.wait(LATENCY_MS)
    rejected = world.updates("rejected")
    assert [update.reason for update in rejected] == [Reason.WOULD_CROSS]
    assert world.fills == []
    assert world.desk.rejected == 1
    assert world.lines("REJECTED") and {event.level for event in world.said(Event)} == {"info"}


# ---- incidents of the past ----------------------------------------------------------------------------------


def test_incident_a_bid_at_the_newest_ask_is_never_sent():
    """2026-02-08: bid 32.992 against a book of 32.977 / 32.992, made from a stale mid."""
    world = World()
    world.book(bids=[("32.977", "10")], asks=[("32.992", "10")])
    world.lease()
    assert world.target([(1, "32.992", "1.00")], mid_px=32.999) == []
    assert world.desk.refused["bid"] is Reason.WOULD_CROSS


def test_incident_one_order_never_fills_the_whole_position_limit():
    """2026-02-08: a ladder collapsed into one order of 1.51 at a limit of $50."""
    world = World()
    world.book(bids=[("32.977", "10")], asks=[("33.005", "10")])
    world.lease()
    assert world.target([], [(1, "33.006", "1.51")], bid_reason=Reason.NO_BOOK, max_inv_usd=50.0) == []
    assert world.desk.refused["ask"] is Reason.ORDER_CAP
    assert world.target([], [(1, "33.006", "0.37")], bid_reason=Reason.NO_BOOK, max_inv_usd=50.0)


def test_a_limit_that_was_lowered_holds_before_the_quoter_follows():
    world = World()
    world.feed(AssetConfig(coin=COIN, max_inv_usd=50.0))
    world.book(bids=[("32.977", "10")], asks=[("33.005", "10")])
    world.lease()
    assert world.target([], [(1, "33.006", "0.50")], bid_reason=Reason.NO_BOOK, max_inv_usd=200.0) == []
    assert world.desk.refused["ask"] is Reason.ORDER_CAP
    world.feed(AssetConfig(coin=COIN, max_inv_usd=200.0))
    assert world.target([], [(1, "33.006", "0.50")], bid_reason=Reason.NO_BOOK, max_inv_usd=200.0)


def test_incident_phantom_fills_the_same_prints_delivered_twice_count_once():
    world = World().rest([(1, "99.99", "5.00")])  # 10 ahead
    msg = world.trades(("99.99", "8", "A"))
    for _ in range(5):
        world.feed(msg)
    assert world.fills == []
    world.trades(("99.99", "3", "A"))
    assert [fill.sz for fill in world.fills] == [Decimal("1.00")]


@pytest.mark.parametrize("model", ["queue", "v6"])
def test_incident_phantom_fills_asking_again_every_tick_neither_fills_nor_jumps_the_queue(model):
    world = World(queue_model=model).rest([(1, "99.99", "5.00")])
    world.trades(("99.99", "6", "A"))
    for _ in range(20):
        world.now_ms += 100
        world.feed(Tick())
        world.lease()
        world.target([(1, "99.99", "5.00")])
    assert world.fills == []
    assert len(world.updates("pending")) == 1
    world.trades(("99.99", "2", "A"))
    assert [fill.sz for fill in world.fills] == ([] if model == "queue" else [Decimal("5.00")])


# ---- identity and settings ----------------------------------------------------------------------------------


PREFIX = "0x12345678"


def test_cloids_are_a_pure_function_and_never_repeat_after_a_restart():
    assert cloid(PREFIX, "r", "BTC", "bid", 1, 5) == cloid(PREFIX, "r", "BTC", "bid", 1, 5)
    assert len(cloid(PREFIX, "r", "BTC", "bid", 1, 5)) == 34
    first = World().rest([BID], [ASK])
    again = World(now_ms=first.now_ms + 1).rest([BID], [ASK])
    ids = {update.cloid for world in (first, again) for update in world.updates("pending")}
    assert len(ids) == 4


def test_ids_go_on_after_the_restored_ones_even_if_the_clock_went_back():
    late = START_MS + 60_000
    world = World(start=False)
    world.core.restore(START_MS, position_state(time_ms=late))
    world = world_started(world)
    assert world.core._trader.sequence > 1000 * late


def position_state(**changes):
    zero = Decimal(0)
    values = dict.fromkeys(
        ("position_sz", "cost_usd", "realized_usd", "fees_usd", "funding_usd", "volume_usd"), zero
    )
    return PositionState(**({"coin": COIN, "seq": 0, "fills": 0, **values} | changes))


def test_a_position_that_is_not_the_sum_of_its_fills_is_named_and_not_quoted():
    world = World(start=False)
    world.core.restore(START_MS, position_state(seq=2, position_sz=Decimal(3), cost_usd=Decimal(300)))
    world = world_started(world)
    assert world.lines("RECONCILE") == [
        "⚠️ SOL: ledger holds 2 fills, the stream 0. Nothing is quoted on this coin."
    ]
    world.book()
    world.lease()
    assert world.target([BID]) == []
    assert world.desk.refused["bid"] is Reason.UNRECONCILED


def test_a_coin_that_joins_with_old_results_brings_none_into_session_or_day():
    """Its state is not named by the account's: that was lost, or is of an older version."""
    world = World()
    gone = {"position_sz": Decimal(2), "cost_usd": Decimal(150), "mark_px": Decimal(90), "fees_usd": Decimal(3)}
    world.core.restore(world.now_ms, position_state(coin="ETH", seq=4, realized_usd=Decimal(-40), **gone))
    world.wait(1000)
    status = world.said(AccountStatus)[-1]
    row = {row.coin: row for row in status.coins}["ETH"]
    assert (row.position_sz, row.pnl_usd, row.fees_usd, row.fills) == (2, 0, 0, 0)
    assert (status.pnl_usd, status.day_pnl_usd, status.fills) == (0, 0, 0)
    assert world.said(AccountState)[-1].coins == ("ETH",)


def test_an_order_can_only_live_as_the_table_says():
    order = LiveOrder(NewOrder("0x0", COIN, "bid", 1, Decimal(1), Decimal(1), 0.0))
    with pytest.raises(InvariantError, match="canceled while pending"):
        order.meet("canceled")
    assert {state for state, events in LIVES.items() if not events} == {"filled", "canceled", "rejected"}
    assert {to for events in LIVES.values() for to in events.values()} <= set(LIVES)


def test_fills_of_the_session_add_up_in_the_status():
    world = World().rest([(1, "99.98", "0.20")], [(1, "100.02", "0.20")])
    world.trades(("99.97", "5", "A"), ("100.03", "5", "B"))
    world.wait(1000)
    status = world.said(AccountStatus)[-1]
    assert status.fills == 2
    assert status.pnl_usd == Decimal("0.04") * Decimal("0.20") - Decimal("0.002999") - Decimal("0.003000")
    assert status.peak_pnl_usd == status.pnl_usd
    assert [fill.seq for fill in world.said(Fill)] == [1, 2]


def halted_by(world, who):
    return world.feed(HaltState(halted=True, reason="daily loss", who=who, since_ms=world.now_ms))


def ends(said):
    return [message for message in said if isinstance(message, EndProcess)]


def test_a_halt_by_the_guard_ends_the_process_when_nothing_rests_any_more():
    world = World().rest([BID], [(1, "100.02", "0.20")])
    world.trades(("100.03", "5", "B"))
    assert not ends(halted_by(world, "guard"))
    assert not ends(world.wait(LATENCY_MS - 100))
    said = world.wait(300)
    assert [effect.reason for effect in ends(said)] == ["daily loss"]
    text = next(event.text for event in said if isinstance(event, Event) and event.tag == "KILL SWITCH")
    assert "no order rests" in text and "SOL -0.2" in text
    assert said.index(ends(said)[0]) == len(said) - 1, "the final state is said before"
    assert not ends(world.wait(30_000)), "once"


def test_a_halt_by_a_person_leaves_the_process_alive():
    world = World().rest([BID])
    halted_by(world, "anna")
    assert not ends(world.wait(30_000))


def test_a_process_that_comes_up_halted_stays():
    world = World(start=False)
    halted_by(world, "guard")
    world = world_started(world)
    halted_by(world, "guard")
    assert not ends(world.wait(30_000))


def test_a_resume_before_the_end_takes_it_back():
    world = World().rest([BID])
    halted_by(world, "guard")
    world.feed(HaltState(halted=False))
    assert not ends(world.wait(30_000))
