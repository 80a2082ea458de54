"""The quoter as a pure function of messages and time."""

from decimal import Decimal as D

import msgspec
import pytest

from services.quoter.config import QuoterConfig
from services.quoter.core import Quoter
from services.quoter.strategies import STRATEGIES
from shared.errors import InvariantError
from shared.messages import (
    AssetConfig,
    AssetCtx,
    Book,
    CoinMeta,
    Event,
    Fill,
    Level,
    PositionState,
    Reason,
    RiskLease,
    SidePermit,
    TargetQuotes,
    Universe,
)
from shared.service import Tick

T0 = 1_700_000_000_000
FOREVER = T0 + 10**9
QUOTE = SidePermit()


def universe(*coins):
    return Universe(coins=tuple(CoinMeta(coin, 5, 40) for coin in coins or ("BTC",)), time_ms=T0)


def book(now_ms=T0, bid="68020", ask="68021", coin="BTC", epoch=1):
    bids, asks = (Level(D(bid), D(1)),), (Level(D(ask), D(1)),)
    return Book(coin=coin, time_ms=now_ms, received_ms=float(now_ms), epoch=epoch, bids=bids, asks=asks)


def lease(coin="BTC", until_ms=FOREVER, bid=QUOTE, ask=QUOTE, **counts):
    return RiskLease(coin=coin, issued_ms=T0, valid_until_ms=until_ms, bid=bid, ask=ask, **counts)


def fill(position, seq=1, time_ms=T0, coin="BTC"):
    zero = D(0)
    return Fill(
        coin=coin, fill_id=str(seq), seq=seq, cloid="0x1", mode="shadow", side="bid", level=1, px=D(68020),
        sz=D("0.00017"), fee_usd=zero, mid_px=D(68020), realized_usd=zero, position_sz=D(position),
        time_ms=time_ms,
    )  # fmt: skip


def funding_ctx(rate_1h, now_ms=T0):
    return AssetCtx(
        coin="BTC", received_ms=float(now_ms), funding_1h_frac=rate_1h, oracle_px=D(68020), mark_px=D(68020),
        open_interest=1.0, day_ntl_usd=1e6,
    )  # fmt: skip


def targets(outputs):
    return [output for output in outputs if isinstance(output, TargetQuotes)]


def events(outputs, tag):
    return [output for output in outputs if isinstance(output, Event) and output.tag == tag]


class Run:
    """A quoter and everything it has said."""

    def __init__(self, *coins, assets=None, **settings):
        self.core = Quoter(QuoterConfig(**settings), assets or {})
        self.said = []
        self(T0, universe(*coins))

    def __call__(self, now_ms, *messages):
        out = [output for message in messages for output in self.core.step(now_ms, message)]
        self.said += out
        return out

    def last(self, coin="BTC"):
        return [target for target in targets(self.said) if target.coin == coin][-1]


@pytest.fixture
def quoting():
    run = Run()
    run(T0, lease(), book())
    return run


def test_first_quote_comes_with_the_first_book_and_lease():
    """A warm-up gate once kept a session silent for 103 s, another waited for fills that need quotes: nothing but
    a book and a lease is waited for."""
    run = Run()
    run(T0, lease())
    (target,) = targets(run(T0 + 1, book(T0 + 1)))
    assert len(target.bids) == len(target.asks) == 3
    assert target.trigger == "book" and target.source_ms == T0 + 1
    assert (target.bid_reason, target.ask_reason) == (None, None)


def test_the_seeds_example_prices(quoting):
    assert [level.px for level in quoting.last().bids] == [68010, 67994, 67969]
    assert [level.px for level in quoting.last().asks] == [68031, 68047, 68072]
    assert [level.sz for level in quoting.last().bids] == [D("0.00017"), D("0.00035"), D("0.00052")]


def test_an_unchanged_touch_publishes_nothing_for_a_second(quoting):
    assert quoting(T0 + 500, book(T0 + 500)) == []
    (again,) = targets(quoting(T0 + 1000, book(T0 + 1000)))
    assert again.source_ms == T0 + 1000 and again.bids == quoting.last().bids


def test_a_moved_touch_publishes_at_once(quoting):
    (target,) = targets(quoting(T0 + 1, book(T0 + 1, bid="68010", ask="68011")))
    assert target.bids[0].px == 68000


@pytest.mark.parametrize(("interval_ms", "looks"), [(100, 20), (300, 7), (1000, 2)])
def test_the_quote_interval_is_a_setting(interval_ms, looks):
    """New settings wait for the next look."""
    run = Run(quote_interval_ms=interval_ms)
    run(T0, lease(), book())
    count = 0
    for now_ms in range(T0 + 100, T0 + 2100, 100):
        run(now_ms, AssetConfig(coin="BTC", base_spread_bps=1.0 + (now_ms - T0) / 1e4, published_ms=T0))
        count += len(targets(run(now_ms, Tick())))
    assert abs(count - looks) <= 1


def test_reasons_before_anything_has_arrived():
    run = Run()
    assert (run.last().bid_reason, run.last().mid_px) == (Reason.NO_BOOK, 0.0)
    run(T0, book())
    assert run.last().bid_reason is Reason.NO_LEASE
    run(T0 + 1, lease(until_ms=T0 + 2))
    assert run.last().bid_reason is None
    run(T0 + 2, Tick())
    assert run.last().ask_reason is Reason.LEASE_EXPIRED and run.last().asks == ()


def test_stale_books_widen_then_stop(quoting):
    quoting(T0 + 5001, Tick())
    assert quoting.last().multiplier == 2.0 and quoting.last().trigger == "time"
    quoting(T0 + 15_001, Tick())
    assert quoting.last().bid_reason is Reason.STALE_BOOK and quoting.last().bids == ()
    quoting(T0 + 16_000, book(T0 + 16_000))
    assert quoting.last().bids and quoting.last().multiplier == 1.0


def test_crossed_book(quoting):
    quoting(T0 + 1, book(T0 + 1, bid="68021", ask="68021"))
    assert quoting.last().bid_reason is Reason.CROSSED_BOOK


def test_books_from_before_a_reconnect_are_not_used():
    run = Run("BTC", "ETH")
    run(T0, lease(), lease("ETH"), book(), book(coin="ETH"))
    run(T0 + 1000, book(T0 + 1000, coin="ETH", epoch=2), Tick())
    assert run.last("BTC").bid_reason is Reason.RECONNECTING and run.last("ETH").bids
    run(T0 + 1001, book(T0 + 999, epoch=1))
    assert run.last("BTC").bid_reason is Reason.RECONNECTING and run.last("ETH").bids
    run(T0 + 1100, book(T0 + 1100, epoch=2))
    assert run.last("BTC").bids


def test_a_restarted_ingestor_may_count_from_one_again():
    run = Run()
    run(T0, lease(), book(epoch=7))
    run(T0 + 1000, book(T0 + 1000, epoch=1))
    assert run.last().bids


def test_the_lease_rules_each_side(quoting):
    ofi = SidePermit("none", Reason.OFI_SELL_DOMINANCE)
    quoting(T0 + 1, lease(bid=ofi))
    assert quoting.last().bid_reason is Reason.OFI_SELL_DOMINANCE and quoting.last().bids == ()
    assert len(quoting.last().asks) == 3


def test_a_lease_that_widens_is_answered_at_once_and_told_as_the_effective_spread(quoting):
    plain = quoting.last()
    (target,) = targets(quoting(T0 + 1, lease(spread_multiplier=2.0)))
    assert [level.px for level in target.bids] == [68000, 67969, 67918]
    assert [level.px for level in target.asks] == [68041, 68072, 68123]
    assert (target.half_spread_bps, target.multiplier) == (2 * plain.half_spread_bps, plain.multiplier)
    assert quoting(T0 + 2, lease(spread_multiplier=2.0)) == []
    quoting(T0 + 3, lease())
    assert quoting.last().bids == plain.bids


def test_a_lease_that_shrinks_is_answered_at_once_and_what_falls_under_the_minimum_is_left_out(quoting):
    plain = quoting.last()
    assert [level.sz for level in plain.bids] == [D("0.00017"), D("0.00035"), D("0.00052")]
    (target,) = targets(quoting(T0 + 1, lease(size_multiplier=0.5)))
    assert [(level.level, level.px) for level in target.bids] == [(2, plain.bids[1].px), (3, plain.bids[2].px)]
    assert [level.sz for level in target.bids] == [D("0.00017"), D("0.00026")], "floored to lots, $10 and more"
    assert quoting(T0 + 2, lease(size_multiplier=0.5)) == []
    quoting(T0 + 3, lease(size_multiplier=0.25))
    assert (quoting.last().bids, quoting.last().bid_reason) == ((), Reason.BELOW_MIN_NOTIONAL)
    quoting(T0 + 4, lease())
    assert quoting.last().bids == plain.bids


def test_governor_and_lease_widen_four_times_at_most_in_all(quoting):
    quoting(T0 + 1, lease(spread_multiplier=4.0, latency_p95_ms=75.0, latency_samples=200))
    assert (quoting.last().multiplier, quoting.last().half_spread_bps) == (1.5, 6.0)


def test_a_skew_stuck_at_zero_stops_with_the_first_book_although_nothing_is_held(monkeypatch):
    grid = STRATEGIES["grid"]

    def stuck(view, config):
        return grid(view._replace(inventory_usd=0.0), config)

    monkeypatch.setitem(STRATEGIES, "grid", stuck)
    run = Run()
    run(T0, lease())
    with pytest.raises(InvariantError, match="BTC: strategy 'grid' does not lean against its inventory"):
        run(T0, book())


def test_fills_of_the_shadow_move_no_live_quote():
    run = Run(shadow_mode=False)
    run(T0, lease(), book())
    flat = run.last()
    assert run(T0 + 1, fill("0.0014")) == []
    run(T0 + 2, msgspec.structs.replace(fill("0.0014"), mode="live"))
    assert run.last().shift_bps < 0 == flat.shift_bps


def test_reduce_only_never_passes_flat(quoting):
    reduce = SidePermit("reduce", Reason.REDUCE_ONLY)
    quoting(T0 + 1, fill("0.0003"), lease(bid=reduce, ask=reduce))
    target = quoting.last()
    assert target.bid_reason is Reason.REDUCE_ONLY
    assert 0 < sum(level.sz for level in target.asks) <= D("0.0003")


def test_inventory_shifts_both_sides_and_stops_the_increasing_one(quoting):
    flat = quoting.last()
    quoting(T0 + 1, fill("0.0014"))
    leaning = quoting.last()
    assert leaning.shift_bps < 0
    assert all(new.px < old.px for new, old in zip(leaning.bids, flat.bids, strict=False))
    assert all(new.px < old.px for new, old in zip(leaning.asks, flat.asks, strict=True))
    quoting(T0 + 2, fill("0.003", seq=2))
    full = quoting.last()
    assert full.bid_reason is Reason.MAX_INVENTORY and full.asks[0].px >= 68021


def test_a_fill_delivered_twice_counts_once(quoting):
    quoting(T0, fill("0.001", seq=1), fill("0.002", seq=2))
    before = quoting.last().shift_bps
    assert quoting(T0, fill("0.001", seq=1)) == []
    quoting(T0 + 1500, Tick())
    assert quoting.last().shift_bps == before


def test_a_new_ledger_begins_at_one_again(quoting):
    quoting(T0, fill("0.001", seq=9))
    quoting(T0 + 10, fill("0.0002", seq=1, time_ms=T0 + 10))
    assert quoting.last().shift_bps == pytest.approx(-1.5 * 0.0002 * 68020.5 / 200)


def test_a_restart_knows_the_inventory():
    zero = D(0)
    state = PositionState(
        coin="BTC", seq=4, position_sz=D("0.001"), cost_usd=D(68), realized_usd=zero, fees_usd=zero,
        funding_usd=zero, volume_usd=zero, fills=4, time_ms=T0,
    )  # fmt: skip
    run = Run()
    run.core.restore(T0, state)
    run(T0, lease(), book())
    assert run.last().shift_bps == pytest.approx(-1.5 * 68.0205 / 200)
    assert run(T0, fill("0.5", seq=3)) == []


def test_the_governor_widens_and_says_so(quoting):
    spike = AssetConfig(coin="BTC", atr_fraction=0.0030166667, atr_measured=True, published_ms=T0)
    quoting(T0 + 1, spike)
    out = quoting(T0 + 100, Tick())
    assert quoting.last().multiplier == pytest.approx(2.3) and quoting.last().regime == "uncertain"
    (event,) = events(out, "REGIME")
    assert event.text == "ATR spike detected. Multiplier: 1.0x → 2.3x" and event.coin == "BTC"
    assert event.level == "warning"
    quoting(T0 + 200, Tick(), Tick())
    assert len(events(quoting.said, "REGIME")) == 1


def test_the_driver_of_a_wider_spread_is_named(quoting):
    quoting(T0 + 1, lease(latency_p95_ms=120.0, latency_samples=500))
    quoting(T0 + 100, Tick())
    assert events(quoting.said, "REGIME")[-1].text == "P95 latency too high. Multiplier: 1.0x → 2.0x"


def test_a_creeping_multiplier_is_told_once_when_it_has_lasted(quoting):
    for second in range(60):
        now_ms = T0 + 1000 * second
        quoting(now_ms + 1, book(now_ms), lease(cancels_1h=60 + second // 2, fills_1h=1))
        quoting(now_ms + 100, Tick())
        if second == 25:
            assert events(quoting.said, "REGIME") == []
    (event,) = events(quoting.said, "REGIME")
    assert event.text == "Cancel/fill ratio too high. Multiplier: 1.0x → 1.5x" and event.level == "info"


def test_few_latency_samples_say_nothing(quoting):
    quoting(T0 + 1, lease(latency_p95_ms=500.0, latency_samples=199))
    quoting(T0 + 100, Tick())
    assert quoting.last().multiplier == 1.0


def test_cancels_without_fills_widen_to_two_at_most(quoting):
    quoting(T0 + 1, lease(cancels_1h=100_000))
    quoting(T0 + 100, Tick())
    assert quoting.last().multiplier == 2.0


def test_default_atr_is_no_opinion_but_a_written_one_is(quoting):
    assert quoting.last().multiplier == 1.0
    quoting(T0 + 1, AssetConfig(coin="BTC", atr_fraction=0.004, published_ms=T0))
    quoting(T0 + 100, Tick())
    assert quoting.last().multiplier > 3


def test_hourly_funding_is_compared_per_eight_hours(quoting):
    quoting(T0 + 1, funding_ctx(0.0003))
    quoting(T0 + 100, Tick())
    assert quoting.last().bids
    quoting(T0 + 200, funding_ctx(-0.0004))
    quoting(T0 + 300, Tick())
    assert quoting.last().bid_reason is quoting.last().ask_reason is Reason.FUNDING_HALT


def test_switched_off_by_hand_or_by_a_negative_edge():
    by_hand = AssetConfig(coin="BTC", enabled=False)
    run = Run(assets={"BTC": by_hand})
    run(T0, lease(), book())
    assert run.last().bid_reason is Reason.COIN_DISABLED
    run(T0, AssetConfig(coin="BTC", enabled=False, edge_bps=-1.0))
    run(T0 + 100, Tick())
    assert run.last().bid_reason is Reason.COIN_DISABLED
    other = Run()
    other(T0, lease(), book(), AssetConfig(coin="BTC", enabled=False, edge_bps=-1.0))
    other(T0 + 100, Tick())
    assert other.last().bid_reason is Reason.NEGATIVE_EDGE


def test_an_unknown_strategy_is_an_error_once_and_no_quote(quoting):
    quoting(T0 + 1, AssetConfig(coin="BTC", strategy="gird", published_ms=T0))
    for now_ms in range(T0 + 100, T0 + 5000, 100):
        quoting(now_ms, Tick(), book(now_ms))
    assert quoting.last().bids == () and quoting.last().bid_reason is Reason.COIN_DISABLED
    (event,) = events(quoting.said, "CONFIG")
    assert event.level == "error" and "'gird'" in event.text and "grid" in event.text


def test_no_quote_lines_on_change_only(quoting):
    deny = SidePermit("none", Reason.OFI_BUY_DOMINANCE)
    quoting(T0 + 2000, lease(ask=deny), book(T0 + 2000))
    for now_ms in range(T0 + 2100, T0 + 8000, 100):
        quoting(now_ms, book(now_ms), Tick())
    (event,) = events(quoting.said, "NO QUOTE")
    assert event.text == "BTC ask reason=ofi_buy_dominance" and event.level == "info"
    quoting(T0 + 8000, lease())
    assert [e.text for e in events(quoting.said, "QUOTE")] == ["BTC ask quoted again"]


def test_a_flickering_side_gets_one_line_a_second(quoting):
    deny = SidePermit("none", Reason.OFI_BUY_DOMINANCE)
    for step in range(100):
        quoting(T0 + 3000 + 10 * step, book(T0 + 3000 + 10 * step), lease(ask=deny if step % 2 else SidePermit()))
    assert len(events(quoting.said, "NO QUOTE")) + len(events(quoting.said, "QUOTE")) == 1


def test_a_normal_start_is_silent_and_a_missing_book_is_not():
    run = Run()
    run(T0 + 1000, Tick())
    assert events(run.said, "NO QUOTE") == []
    for now_ms in range(T0 + 2000, T0 + 4000, 100):
        run(now_ms, Tick())
    assert [e.text for e in events(run.said, "NO QUOTE")] == ["BTC bid reason=no_book", "BTC ask reason=no_book"]


def test_absent_screener_is_said_once():
    run = Run("BTC", "ETH")
    for now_ms in range(T0, T0 + 20_000, 100):
        run(now_ms, Tick())
    assert [e.text for e in events(run.said, "SCREENER")] == ["Redis unavailable. Using default configs."]


def test_a_coin_without_config_is_said_once():
    run = Run("BTC", "ETH")
    run(T0 + 1000, AssetConfig(coin="BTC", published_ms=T0 + 1000))
    for now_ms in range(T0 + 1000, T0 + 20_000, 100):
        run(now_ms, Tick())
    assert [e.text for e in events(run.said, "SCREENER")] == ["No config for ETH. Using defaults."]


def test_a_dead_screener_is_said_once_and_quoting_goes_on(quoting):
    quoting(T0, AssetConfig(coin="BTC", base_spread_bps=3.0, published_ms=T0))
    for now_ms in range(T0, T0 + 200_000, 1000):
        quoting(now_ms, book(now_ms), Tick())
    (event,) = events(quoting.said, "SCREENER")
    assert "old" in event.text
    assert quoting.last().half_spread_bps == 3.0 and quoting.last().bids


def test_overrides_of_people_are_the_defaults():
    run = Run(assets={"BTC": AssetConfig(coin="BTC", base_spread_bps=6.0, max_inv_usd=400.0)})
    run(T0, lease(), book())
    assert (run.last().half_spread_bps, run.last().max_inv_usd) == (6.0, 400.0)


def test_a_coin_that_left_the_universe_is_withdrawn(quoting):
    quoting(T0 + 1, universe("ETH"))
    assert quoting.last("BTC").bids == () and quoting.last("BTC").bid_reason is Reason.NO_UNIVERSE


def test_every_target_survives_the_codec(quoting):
    encoded = msgspec.json.encode(quoting.last())
    assert msgspec.json.decode(encoded, type=TargetQuotes) == quoting.last()
