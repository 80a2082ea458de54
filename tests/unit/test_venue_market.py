"""Markets as the exchange meets them: recorded frames with accounts in them, several markets as one, listings."""

from collections import Counter
from decimal import Decimal
from math import log
from pathlib import Path

import pytest

from services.venue.config import VenueConfig
from services.venue.exchange.listing import MICRO
from services.venue.exchange.listings import dexs, listings
from services.venue.market.book import FIRST_ACCOUNT, Book, Sign, trade_hash, trade_id
from services.venue.market.feed import Hole, Raw
from services.venue.market.market import blocks
from services.venue.market.modelled import ModelledMarket
from services.venue.market.replay import open_recording
from services.venue.market.timeline import Timeline
from services.venue.market.universe import BUILDER_COINS, MARKET
from shared.errors import DataError
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, L2Book, WireLevel
from shared.messages import CoinMeta
from tests.fixtures.venue_books import Addresses, Desk
from tests.unit.test_venue_replay import OWN_HEADER, T0, own_row, write

REAL = "hl-20250903-4coins"
OWNERS = Addresses()


def small(folder: Path, *, rows: list[str] | None = None, trades: list[str] | None = None) -> str:
    """BTC bids 100.0 x 1.5, 99.9 x 2, 99.8 x 1; asks 100.1 x 1 and four more."""
    write(folder / "depth/BTC/2023-11-14.csv", OWN_HEADER, rows or [own_row(T0), own_row(T0 + 1_000)])
    header = "timestamp_ms,coin,px,sz,side,tid"
    write(folder / "trades/BTC/2023-11-14.csv", header, trades or [f"{T0 + 900},BTC,100.0,2,A,77"])
    return str(folder)


def market_of(source: str, **settings: object) -> Timeline:
    return Timeline(VenueConfig.model_validate({"source": source, **settings}))


def at(timeline: Timeline, now_ms: int) -> list[Raw]:
    timeline.advance(now_ms)
    return list(timeline.news(now_ms, OWNERS))


def units(px: str) -> int:
    """Of BTC, with 5 decimals in a size."""
    return int(Decimal(px) * 10)


LOT = 10**5
SIGNS: tuple[Sign, Sign] = (1, -1)


# ---- a recording ---------------------------------------------------------------------------------------------


def test_without_accounts_every_recorded_frame_is_passed_on_as_it_is(recordings: Path) -> None:
    recording = open_recording(recordings / REAL)
    expected = [(time_ms - recording.start_ms, raw) for time_ms, raw in recording.raw()]
    shown = [(time_ms, raw) for time_ms, news in blocks(market_of(str(recordings / REAL))) for raw in news]
    assert shown == expected


def test_a_resting_order_is_added_to_touch_and_book_and_filled_behind_the_queue(tmp_path: Path) -> None:
    timeline, desk = market_of(small(tmp_path)), Desk()
    book = timeline.book("BTC")
    book.host = desk
    at(timeline, 0)
    order = desk.rest(book, 1, units("100.0"), LOT)
    (bbo,) = list(timeline.news(70, OWNERS))
    assert isinstance(bbo, Bbo)
    assert bbo.bbo[0] == WireLevel(Decimal("100.0"), Decimal("2.5"), 2)
    (full,) = list(timeline.news(500, OWNERS))
    assert isinstance(full, L2Book)
    assert full.levels[0][0] == bbo.bbo[0]
    prints, touch = at(timeline, 900)
    assert isinstance(prints, tuple)
    assert [(trade.sz, trade.tid, trade.users) for trade in prints] == [(Decimal(2), 77, None)]
    assert [(fill.tid, fill.lots) for fill in desk.fills] == [(77, LOT // 2)]
    assert isinstance(touch, Bbo)
    assert touch.bbo[0] == WireLevel(Decimal("100.0"), Decimal("2.0"), 2), "the quotes themselves are older"
    kinds = [type(raw) for raw in at(timeline, 1_000)]
    assert kinds == [L2Book, ActiveAssetCtx]
    desk.cancel(book, order)
    (touch,) = timeline.news(1_070, OWNERS)
    assert isinstance(touch, Bbo)
    assert touch.bbo[0] == WireLevel(Decimal("100.0"), Decimal("1.5"), 1)


def test_a_taker_is_printed_beside_the_recorded_trades_with_names_and_one_hash(tmp_path: Path) -> None:
    timeline, desk = market_of(small(tmp_path)), Desk()
    book = timeline.book("BTC")
    book.host = desk
    at(timeline, 0)
    desk.rest(book, -1, units("100.1"), LOT, account=1)
    fills = desk.take(book, 1, 3 * LOT, units("100.2"))
    timeline.took("BTC", 1, fills)
    prints, touch = timeline.news(70, OWNERS)
    assert isinstance(prints, tuple)
    taker, maker = fills[0].taker, fills[1].maker
    assert [(trade.side, trade.px, trade.sz) for trade in prints] == [
        ("B", Decimal(px), Decimal(1)) for px in ("100.1", "100.1", "100.2")
    ]
    assert [trade.tid for trade in prints] == [fill.tid for fill in fills]
    assert fills[1].tid == trade_id(taker.oid, maker.oid)
    assert {trade.hash for trade in prints} == {trade_hash(taker.oid)}
    assert prints[1].users == (OWNERS.address(taker.owner), OWNERS.address(maker.owner))
    assert isinstance(touch, Bbo)
    assert touch.bbo[1] == WireLevel(Decimal("100.2"), Decimal(2), 1)


def test_after_the_end_of_a_recording_accounts_go_on(tmp_path: Path) -> None:
    timeline, desk = market_of(small(tmp_path)), Desk()
    at(timeline, 1_000)
    assert timeline.next_ms() is None
    assert timeline.recording_over
    book = timeline.book("BTC")
    book.host = desk
    desk.rest(book, 1, units("100.05"), LOT)
    assert [type(raw) for raw in at(timeline, 9_000)] == [Bbo, L2Book]
    assert at(timeline, 9_070) == []
    assert sum(fill.lots for fill in desk.take(book, -1, 2 * LOT, None, account=1)) == 2 * LOT


def test_nothing_is_carried_from_one_round_of_a_loop_to_the_next(tmp_path: Path) -> None:
    timeline, desk = market_of(small(tmp_path), loop=True), Desk()
    book = timeline.book("BTC")
    book.host = desk
    at(timeline, 0)
    order = desk.rest(book, 1, units("100.0"), LOT)
    at(timeline, 1_000)
    assert (order.lots, book.ahead(order)) == (LOT // 2, 0)
    assert timeline.next_ms() == 2_000
    first = at(timeline, 2_000)
    assert book.ahead(order) == LOT * 3 // 2
    assert not any(isinstance(raw, Hole) for raw in first)
    assert not timeline.recording_over


def test_real_recording_with_orders_at_the_touch(recordings: Path) -> None:
    """Every ten seconds a bid and an ask join each coin's touch. What they get stays within the prints, and the
    recorded trades are those of the recording."""
    timeline = market_of(str(recordings / REAL))
    desks = {meta.coin: Desk() for meta in timeline.coins}
    for coin, desk in desks.items():
        timeline.book(coin).host = desk
    shown, due_ms = [], 0
    while (now_ms := timeline.next_ms()) is not None:
        timeline.advance(now_ms)
        if now_ms >= due_ms:
            due_ms = now_ms + 10_000
            for coin, desk in desks.items():
                rejoin(timeline.book(coin), desk)
        shown += [(now_ms, raw) for raw in timeline.news(now_ms, OWNERS)]
    recording = open_recording(recordings / REAL)
    expected = [(time_ms - recording.start_ms, raw) for time_ms, raw in recording.raw() if isinstance(raw, tuple)]
    assert [(time_ms, raw) for time_ms, raw in shown if isinstance(raw, tuple)] == expected
    for meta in timeline.coins:
        trades = [trade for _, raw in expected if raw[0].coin == meta.coin for trade in raw]
        volume = {trade.tid: int(trade.sz.scaleb(meta.sz_decimals)) for trade in trades}
        given: Counter[int] = Counter()
        for fill in desks[meta.coin].fills:
            given[fill.tid] += fill.lots
        assert all(lots <= volume[tid] for tid, lots in given.items())
        assert 0 < given.total() < sum(volume.values()) / 10, "the queue ahead comes first"
    for _, raw in shown:
        if isinstance(raw, Bbo):
            bid, ask = raw.bbo
            assert bid is not None and ask is not None
            assert bid.px < ask.px


def rejoin(book: Book, desk: Desk) -> None:
    for order in list(desk.live.values()):
        desk.cancel(book, order)
    for sign, px in zip(SIGNS, [book.best_px(sign) for sign in SIGNS], strict=True):
        if px is not None:
            desk.rest(book, sign, px, 10)


# ---- several markets as one ----------------------------------------------------------------------------------


def test_the_modelled_venue_has_the_first_dex_and_then_the_builders() -> None:
    names = [meta.coin for meta in market_of("modelled").coins]
    assert names == [coin.name for coin in (*MARKET.coins, *BUILDER_COINS)]
    assert [meta.coin for meta in market_of("modelled", builder_dex=False).coins] == names[:30]


def test_a_recording_alone_ends_and_beside_the_model_it_does_not(tmp_path: Path) -> None:
    source = small(tmp_path)
    assert [meta.coin for meta in market_of(source).coins] == ["BTC"]
    both = market_of(source, fill_universe=True)
    assert [meta.coin for meta in both.coins][-4:] == ["ADA", "xyz:XYZ100", "xyz:TSLA", "xyz:GOLD"]
    at(both, 1_000)
    assert both.recording_over
    assert both.next_ms() == 1_050
    recorded, modelled = both.book("BTC"), both.book("ETH")
    assert type(recorded) is not type(modelled)


def test_a_block_between_the_models_own_shows_no_more_than_accounts_did(tmp_path: Path) -> None:
    both = market_of(small(tmp_path), fill_universe=True)
    at(both, 0)
    assert at(both, 30) == []
    desk = Desk()
    book = both.book("xyz:TSLA")
    book.host = desk
    best = book.best_px(1)
    assert best is not None
    desk.rest(book, 1, best + 1, 5)
    (bbo,) = at(both, 50)
    assert isinstance(bbo, Bbo)
    assert bbo.coin == "xyz:TSLA"


# ---- listings ------------------------------------------------------------------------------------------------


def test_asset_ids_count_within_their_dex() -> None:
    config = VenueConfig()
    coins = Timeline(config).coins
    listed = listings(coins, config)
    assert list(listed) == [meta.coin for meta in coins]
    assert [listing.asset for listing in listed.values()] == [*range(30), 110_000, 110_001, 110_002]
    assert [dex.name for dex in dexs(config)] == ["", "xyz"]
    assert {listing.dex.name for listing in listed.values()} == {"", "xyz"}


def test_margin_tiers_are_the_main_nets() -> None:
    config = VenueConfig()
    listed = listings(Timeline(config).coins, config)

    def tiers(coin: str) -> list[tuple[int, int]]:
        return [(tier.lower_bound_ntl // MICRO, tier.max_leverage) for tier in listed[coin].tiers]

    assert tiers("BTC") == [(0, 40), (150_000_000, 20)]
    assert tiers("ETH") == [(0, 25), (100_000_000, 15)]
    assert tiers("SOL") == [(0, 20), (70_000_000, 10)]
    assert tiers("XRP") == [(0, 20), (40_000_000, 10)]
    assert tiers("DOGE") == [(0, 10), (20_000_000, 5)]
    assert tiers("BNB") == [(0, 10), (3_000_000, 5)]
    assert tiers("VVV") == [(0, 3)]
    assert (listed["BTC"].margin_table_id, listed["VVV"].margin_table_id) == (56, 3)
    for meta in Timeline(config).coins:
        assert listed[meta.coin].max_leverage == meta.max_leverage


def test_the_builder_deployed_dex_has_every_margin_mode_and_growth_mode() -> None:
    config = VenueConfig(oi_caps={"xyz:TSLA": Decimal("1.5")})
    listed = listings(Timeline(config).coins, config)
    modes = [listed[coin.name].margin_mode for coin in BUILDER_COINS]
    assert modes == ["normal", "noCross", "strictIsolated"]
    assert [listed[coin.name].growth_mode for coin in BUILDER_COINS].count(True) == 1
    assert listed["xyz:TSLA"].oi_cap_ntl == 1_500_000
    assert listed["BTC"].oi_cap_ntl is None


def test_a_coin_of_a_dex_that_there_is_not_is_named() -> None:
    with pytest.raises(DataError, match="flx:GOLD.*builder_dex"):
        listings([CoinMeta("flx:GOLD", 2, 5)], VenueConfig())


def test_the_flow_does_not_feel_orders_of_accounts_that_it_does_not_reach() -> None:
    coin = MARKET.coins[0].name
    alone, shared = (ModelledMarket(MARKET.coins[:1], seed=3) for _ in range(2))
    book, desk = shared.book(coin), Desk()
    book.host = desk
    for side in (book.bids, book.asks):
        for px, level in list(side.top(20))[12:]:
            desk.rest(book, side.sign, px, 100 * level.lots)
    for market in (alone, shared):
        market.advance(2_000)
    assert not desk.fills and desk.live
    flows = [
        [
            (order.oid, order.px, order.lots)
            for order in market.book(coin).orders.values()
            if order.owner < FIRST_ACCOUNT
        ]
        for market in (alone, shared)
    ]
    assert flows[0] == flows[1]


def test_a_push_moves_price_and_flow_of_its_coin_alone() -> None:
    still, pushed = (ModelledMarket(MARKET.coins[:2], seed=4) for _ in range(2))
    coin, other = (meta.coin for meta in still.coins)
    parts, sold = 286, 0
    for number in range(parts):
        for market in (still, pushed):
            market.advance(70 * number)
            list(market.news(70 * number, OWNERS))
        pushed.push(coin, log(0.92) / parts, 1)
        sold += any(fill.maker.sign == 1 for fill in pushed._coins[coin].flow.prints)
    before, after = (
        [sum(market.book(name).best_px(sign) or 0 for sign in SIGNS) / 2 for name in (coin, other)]
        for market in (still, pushed)
    )
    assert after[0] / before[0] == pytest.approx(0.92, abs=0.005)
    assert after[1] == before[1]
    assert sold == parts, "each of them sold to somebody"
