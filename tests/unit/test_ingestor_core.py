"""The ingestor's decisions, message by message."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.ingestor.book import Refusal
from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import (
    Connect,
    Connected,
    Disconnected,
    Drop,
    EventReceived,
    FrameReceived,
    LoadUniverse,
    Published,
    Send,
    UniverseFailed,
    UniverseLoaded,
)
from shared.errors import ConfigError
from shared.hyperliquid.wire import ActiveAssetCtx, AssetMeta, Bbo, Ctx, L2Book, WireLevel, WireTrade
from shared.messages import (
    AssetCtx,
    Book,
    CoinMeta,
    Depth,
    Event,
    FeedHealth,
    Level,
    Reconnected,
    Trade,
    Trades,
    Universe,
)
from shared.service import BusBack, Started, Tick

T0 = 1_000_000


def ctx(volume: str = "1") -> Ctx:
    return Ctx(
        funding=Decimal("0.0000125"),
        openInterest=Decimal("12.5"),
        prevDayPx=Decimal(99),
        dayNtlVlm=Decimal(volume),
        oraclePx=Decimal("100.1"),
        markPx=Decimal("100.2"),
    )


def started(**settings: Any) -> Ingestor:
    core = Ingestor(IngestorConfig(**settings))
    assert list(core.step(T0, Started())) == [LoadUniverse(0.0)]
    return core


def connected(*coins: str) -> Ingestor:
    core = started()
    metas = tuple((AssetMeta(coin, 2, 10), ctx(str(100 - i))) for i, coin in enumerate(coins or ("BTC",)))
    list(core.step(T0, UniverseLoaded(metas, float(T0))))
    list(core.step(T0, Connected()))
    return core


def level(px: str, sz: str = "1") -> WireLevel:
    return WireLevel(Decimal(px), Decimal(sz))


def bbo(time_ms: int, bid: str | None, ask: str | None, coin: str = "BTC") -> Bbo:
    return Bbo(coin, time_ms, (level(bid) if bid else None, level(ask) if ask else None))


def l2(time_ms: int, bids: str, asks: str, fast: bool = True) -> L2Book:
    sides = tuple(level(px) for px in bids.split()), tuple(level(px) for px in asks.split())
    return L2Book("BTC", time_ms, sides, fast)


def step(core: Ingestor, event: Any, now_ms: int = T0) -> list[Any]:
    return list(core.step(now_ms, EventReceived(event, float(now_ms))))


def pxs(side: tuple[Level, ...]) -> str:
    return " ".join(str(level.px) for level in side)


def only_book(outputs: list[Any]) -> Book:
    [book] = outputs
    assert isinstance(book, Book)
    return book


# ---- universe and connection ----


def test_the_universe_comes_with_its_contexts_and_then_the_connection() -> None:
    core = started(top_n=2)
    metas = tuple((AssetMeta(name, 3, 20), ctx(volume)) for name, volume in (("A", "1"), ("B", "3"), ("C", "2")))
    universe, first, second, event, connect = core.step(T0, UniverseLoaded(metas, 5.5))
    assert universe == Universe(coins=(CoinMeta("B", 3, 20), CoinMeta("C", 3, 20)), time_ms=T0)
    assert first == AssetCtx(
        coin="B",
        received_ms=5.5,
        funding_1h_frac=0.0000125,
        oracle_px=Decimal("100.1"),
        mark_px=Decimal("100.2"),
        open_interest=12.5,
        day_ntl_usd=3.0,
    )
    assert second.coin == "C"
    assert isinstance(event, Event) and "2 coins by 24 h volume: B C" in event.text
    assert connect == Connect(0.0)


def test_an_unknown_coin_in_the_settings_ends_the_service() -> None:
    with pytest.raises(ConfigError, match="did you mean BTC"):
        started(coins=("BTCC",)).step(T0, UniverseLoaded(((AssetMeta("BTC", 5, 40), ctx()),), 0.0))


def test_an_unreachable_venue_is_tried_again_and_said_so() -> None:
    core = started()
    event, again = core.step(T0, UniverseFailed("http://x/info: unreachable"))
    assert event.level == "warning" and "unreachable" in event.text
    assert isinstance(again, LoadUniverse) and 0.5 <= again.after_s <= 1.0


def test_a_venue_without_living_coins_is_tried_again() -> None:
    event, again = started().step(T0, UniverseLoaded((), 0.0))
    assert "no coin" in event.text and isinstance(again, LoadUniverse)


def test_connecting_announces_the_epoch_and_subscribes_everything() -> None:
    core = started(coins=("BTC", "ETH"))
    metas = tuple((AssetMeta(coin, 2, 10), ctx()) for coin in ("BTC", "ETH"))
    list(core.step(T0, UniverseLoaded(metas, 0.0)))
    reconnected, event, send = core.step(T0 + 7, Connected())
    assert reconnected == Reconnected(epoch=1, time_ms=T0 + 7)
    assert event.text == "Connected, epoch 1: 10 subscriptions for 2 coins"
    assert isinstance(send, Send)
    asked = [msgspec.json.decode(frame) for frame in send.frames]
    assert all(frame["method"] == "subscribe" for frame in asked)
    assert [frame["subscription"] for frame in asked[:5]] == [
        {"type": "bbo", "coin": "BTC"},
        {"type": "l2Book", "coin": "BTC", "fast": True},
        {"type": "trades", "coin": "BTC"},
        {"type": "activeAssetCtx", "coin": "BTC"},
        {"type": "l2Book", "coin": "BTC"},
    ]


def test_epochs_go_on_after_a_restart() -> None:
    core = Ingestor(IngestorConfig())
    core.restore(T0, Reconnected(epoch=6, time_ms=1))
    core.restore(T0, next(m for m in connected().step(T0, Tick()) if isinstance(m, FeedHealth)))
    assert next(iter(core.step(T0, Connected()))) == Reconnected(epoch=7, time_ms=T0)


def test_prints_of_before_a_restart_are_not_published_again() -> None:
    core = Ingestor(IngestorConfig())
    old = Trade(px=Decimal(1), sz=Decimal(1), side="A", time_ms=50, tid=5)
    core.restore(T0, Trades(coin="BTC", received_ms=0.0, epoch=1, trades=(old,)))
    core.step(T0, Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=T0))
    list(core.step(T0, Connected()))
    frame = tuple(WireTrade("BTC", "A", Decimal(1), Decimal(1), t, tid) for t, tid in ((49, 4), (50, 5), (51, 6)))
    [trades] = step(core, frame)
    assert [trade.tid for trade in trades.trades] == [6]


def test_a_lost_connection_is_opened_again_after_a_growing_pause() -> None:
    core = connected()
    pauses = []
    for i in range(4):
        event, connect = core.step(T0 + i, Disconnected("connection lost: reset"))
        assert "connection lost: reset" in event.text and event.level == "warning"
        pauses.append(connect.after_s)
    assert pauses == sorted(pauses) and pauses[-1] >= 4.0


def test_a_new_connection_starts_with_empty_books() -> None:
    core = connected()
    step(core, l2(10, "100 99", "101 102"))
    list(core.step(T0, Disconnected("x")))
    list(core.step(T0, Connected()))
    book = only_book(step(core, bbo(5, "90", "91")))
    assert (book.epoch, pxs(book.bids), pxs(book.asks), book.time_ms) == (2, "90", "91", 5)


def test_nothing_is_published_between_connections() -> None:
    core = connected()
    list(core.step(T0, Disconnected("x")))
    assert step(core, bbo(5, "90", "91")) == []


def test_stall_drops_the_connection_once() -> None:
    core = connected()
    step(core, bbo(5, "90", "91"), T0 + 1000)
    [health] = core.step(T0 + 31_000, Tick())
    assert health.connected and health.last_frame_ms == T0 + 1000
    event, drop, health = core.step(T0 + 31_001, Tick())
    assert (event.tag, drop, health.connected) == ("STALL", Drop(), False)
    assert [type(output) for output in core.step(T0 + 32_000, Tick())] == [FeedHealth]
    assert isinstance(list(core.step(T0 + 32_000, Disconnected("gone")))[-1], Connect)


def test_a_connection_that_never_says_anything_stalls_too() -> None:
    core = connected()
    assert Drop() in list(core.step(T0 + 30_001, Tick()))


def test_pongs_do_not_hide_a_stall() -> None:
    core = connected()
    list(core.step(T0 + 29_000, FrameReceived(b'{"channel":"pong"}', T0 + 29_000)))
    assert Drop() in list(core.step(T0 + 30_001, Tick()))


# ---- books ----


def test_a_newer_touch_replaces_the_levels_it_makes_impossible() -> None:
    core = connected()
    step(core, l2(10, "100 99 98 97 96", "101 102 103 104 105"))
    book = only_book(step(core, bbo(11, "98.5", "102")))
    assert pxs(book.bids) == "98.5 98 97 96"
    assert pxs(book.asks) == "102 103 104 105"
    book = only_book(step(core, bbo(12, "99.5", "101.5")))
    assert pxs(book.bids) == "99.5 98.5 98 97 96"
    assert pxs(book.asks) == "101.5 102 103 104 105"


def test_a_touch_of_equal_price_gets_the_new_size() -> None:
    core = connected()
    step(core, l2(10, "100 99", "101 102"))
    book = only_book(step(core, Bbo("BTC", 11, (level("100", "7"), level("101", "8")))))
    assert (book.bids[0].sz, book.asks[0].sz, len(book.bids)) == (Decimal(7), Decimal(8), 2)


def test_a_snapshot_older_than_the_touch_keeps_its_depth_under_the_newer_touch() -> None:
    core = connected()
    step(core, bbo(20, "99.5", "100.5"))
    book = only_book(step(core, l2(15, "100 99 98", "101 102")))
    assert (pxs(book.bids), pxs(book.asks), book.time_ms) == ("99.5 99 98", "100.5 101 102", 20)


def test_a_touch_older_than_the_snapshot_changes_nothing() -> None:
    core = connected()
    step(core, l2(15, "100 99", "101 102"))
    assert step(core, bbo(14, "99", "100")) == []
    assert core.refused[Refusal.OLD] == 0


@pytest.mark.parametrize("fast", [True, False])
def test_frames_older_than_the_last_of_their_kind_are_refused(fast: bool) -> None:
    core = connected()
    step(core, l2(15, "100", "101", fast))
    [event] = step(core, l2(14, "90", "91", fast))
    assert isinstance(event, Event) and core.refused[Refusal.OLD] == 1
    step(core, bbo(16, "100", "101"))
    assert all(isinstance(output, Event) for output in step(core, bbo(15, "100", "101")))
    assert core.refused[Refusal.OLD] == 2


def test_an_unchanged_book_sent_again_is_fresh() -> None:
    core = connected()
    step(core, l2(15, "100", "101"))
    assert only_book(step(core, l2(15, "100", "101"), T0 + 500)).received_ms == T0 + 500


@pytest.mark.parametrize("ask", ["100", "99"])
def test_locked_and_crossed_books_are_refused(ask: str) -> None:
    core = connected()
    for event in (bbo(1, "100", ask), l2(2, "100 98", f"{ask} 105"), l2(3, "100", ask, fast=False)):
        assert not any(isinstance(output, (Book, Depth)) for output in step(core, event))
    assert core.refused[Refusal.CROSSED] == 3


def test_a_one_sided_book_is_counted_apart_and_not_published() -> None:
    core = connected()
    step(core, l2(10, "100 99", "101 102"))
    assert not any(isinstance(output, Book) for output in step(core, bbo(11, "100", None)))
    assert not any(isinstance(output, Book) for output in step(core, l2(10, "100 99", "101 102")))
    assert core.refused[Refusal.ONE_SIDED] == 2
    [health] = core.step(T0, Tick())
    assert health.refused_total == 0
    assert pxs(only_book(step(core, bbo(12, "100", "103"))).asks) == "103"


def test_unsorted_and_absurd_numbers_are_malformed() -> None:
    core = connected()
    for event in (
        l2(10, "100 101", "102"),
        l2(10, "100 100", "102"),
        l2(10, "100", "102 101"),
        bbo(10, "-1", "2"),
        bbo(10, "NaN", "2"),
        bbo(10, "1", "Infinity"),
        Bbo("BTC", 10, (level("1", "0"), level("2"))),
        (WireTrade("BTC", "B", Decimal("sNaN"), Decimal(1), 1, 1),),
        (WireTrade("BTC", "B", Decimal(1), Decimal(1), 1, 1), WireTrade("ETH", "B", Decimal(1), Decimal(1), 1, 1)),
        ActiveAssetCtx("BTC", msgspec.structs.replace(ctx(), funding=Decimal("1e999999"))),
        ActiveAssetCtx("BTC", msgspec.structs.replace(ctx(), markPx=Decimal(0))),
        ActiveAssetCtx("BTC", msgspec.structs.replace(ctx(), oraclePx=Decimal("-1"))),
    ):
        assert all(isinstance(output, Event) for output in step(core, event))
    assert core.refused[Refusal.MALFORMED] == 12


def test_a_date_far_ahead_cannot_make_the_following_books_look_old() -> None:
    core = connected()
    step(core, bbo(T0 + 10**15, "100", "101"))
    assert core.refused[Refusal.MALFORMED] == 1
    assert pxs(only_book(step(core, bbo(T0, "100", "101"))).bids) == "100"


def test_the_slow_book_is_the_depth_and_serves_as_book_where_it_is_newer() -> None:
    core = connected()
    book, depth = step(core, l2(10, "100 99 98 97 96 95 94", "101", fast=False))
    assert isinstance(book, Book) and pxs(book.bids) == "100 99 98 97 96"
    assert isinstance(depth, Depth) and pxs(depth.bids) == "100 99 98 97 96 95 94"
    step(core, l2(12, "100", "101"))
    [depth] = step(core, l2(11, "100 99", "101", fast=False))
    assert isinstance(depth, Depth)


def test_a_coin_nobody_asked_for_is_refused() -> None:
    core = connected()
    step(core, bbo(1, "1", "2", coin="DOGE"))
    step(core, (WireTrade("DOGE", "B", Decimal(1), Decimal(1), 1, 1),))
    step(core, ActiveAssetCtx("DOGE", ctx()))
    assert core.refused[Refusal.UNKNOWN_COIN] == 3


# ---- frames, trades, time ----


def test_frames_and_decoded_events_lead_to_the_same_messages() -> None:
    raw = b'{"channel":"bbo","data":{"coin":"BTC","time":5,"bbo":[{"px":"1","sz":"1"},{"px":"2","sz":"1"}]}}'
    assert list(connected().step(T0, FrameReceived(raw, float(T0)))) == step(connected(), bbo(5, "1", "2"))


def test_malformed_frames_are_counted_and_mentioned_once_in_a_while() -> None:
    core = connected()
    outputs = [output for i in range(100) for output in core.step(T0 + i, FrameReceived(b"{nonsense", 0.0))]
    assert len(outputs) == 1 and "malformed" in outputs[0].text
    assert core.refused[Refusal.MALFORMED] == 100
    [event] = core.step(T0 + 10_000, FrameReceived(b"\xff\xfe", 0.0))
    assert "101 so far" in event.text


def test_errors_of_the_venue_are_shown() -> None:
    raw = b'{"channel":"error","data":"Invalid subscription {}"}'
    [event] = connected().step(T0, FrameReceived(raw, 0.0))
    assert "Invalid subscription" in event.text


def test_acknowledgements_pongs_and_the_old_greeting_are_not_news() -> None:
    core = connected()
    for raw in (b'{"channel":"subscriptionResponse","data":{}}', b'{"channel":"pong"}'):
        assert list(core.step(T0, FrameReceived(raw, 0.0))) == []
    assert list(core.step(T0, FrameReceived(b"Websocket connection established.", 0.0))) == []
    assert core.refused[Refusal.MALFORMED] == 0


def test_trades_carry_receive_time_and_epoch() -> None:
    core = connected()
    [trades] = step(core, (WireTrade("BTC", "A", Decimal("1.5"), Decimal(2), 9, 77),))
    trade = Trade(px=Decimal("1.5"), sz=Decimal(2), side="A", time_ms=9, tid=77)
    assert trades == Trades(coin="BTC", received_ms=float(T0), epoch=1, trades=(trade,))
    assert step(core, (WireTrade("BTC", "A", Decimal("1.5"), Decimal(2), 9, 77),)) == []
    assert step(core, ()) == []


def test_latency_is_reported_every_half_minute_in_the_words_of_the_log() -> None:
    core = connected()
    core.step(T0, Published(tuple(float(i) / 10 for i in range(1, 1001))))
    step(core, bbo(5, "90", "91"), T0 + 29_999)
    [health] = core.step(T0 + 29_999, Tick())
    assert (health.latency_p95_ms, health.latency_p99_ms, health.latency_samples) == (95.0, 99.0, 1000)
    _, event = core.step(T0 + 30_000, Tick())
    assert (event.tag, event.text) == ("LATENCY", "P95: 95.0ms | P99: 99.0ms | samples: 1000")
    assert len(list(core.step(T0 + 31_000, Tick()))) == 1


def test_health_counts_frames_and_reconnects() -> None:
    core = connected()
    step(core, bbo(1, "1", "2"))
    step(core, bbo(2, "2", "1"))
    list(core.step(T0, Disconnected("x")))
    list(core.step(T0, Connected()))
    [health] = core.step(T0, Tick())
    assert (health.frames_total, health.refused_total, health.reconnects_total, health.epoch) == (2, 1, 1, 2)


def test_a_redis_that_came_back_empty_learns_coins_and_newest_contexts_again() -> None:
    core = connected("BTC", "ETH")
    newer = msgspec.structs.replace(ctx(), oraclePx=Decimal("101.5"))
    list(core.step(T0 + 1, EventReceived(ActiveAssetCtx("ETH", newer), T0 + 1.0)))
    universe, *contexts = core.step(T0 + 500, BusBack())
    assert universe == Universe(coins=(CoinMeta("BTC", 2, 10), CoinMeta("ETH", 2, 10)), time_ms=T0 + 500)
    assert {context.coin: context.oracle_px for context in contexts} == {
        "BTC": Decimal("100.1"),
        "ETH": Decimal("101.5"),
    }


def test_before_the_universe_is_known_there_is_nothing_to_repeat() -> None:
    assert list(started().step(T0, BusBack())) == []
