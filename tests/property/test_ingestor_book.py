"""For every sequence of frames: no published book is crossed, unsorted, or behind the newest touch."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import Connected, Disconnected, EventReceived, FrameReceived
from shared.hyperliquid.wire import Bbo, L2Book, WireLevel
from shared.messages import Book, CoinMeta, Depth, Event, Level, Reconnected, Trades, Universe

NOW = 10_000_000

numbers = st.one_of(
    st.integers(1, 40).map(Decimal),
    st.sampled_from([Decimal(text) for text in ("0", "-1", "NaN", "sNaN", "Infinity", "1e400", "0.1")]),
)
levels = st.builds(WireLevel, px=numbers, sz=numbers)
times = st.integers(0, 60)


def _ladder(pxs: set[int], bids: bool) -> tuple[WireLevel, ...]:
    return tuple(WireLevel(Decimal(px), Decimal(1)) for px in sorted(pxs, reverse=bids))


ladders = st.sets(st.integers(1, 40), max_size=8)
sound_books = st.builds(
    lambda time, bids, asks, fast: L2Book("BTC", time, (_ladder(bids, True), _ladder(asks, False)), fast),
    times, ladders, ladders, st.booleans(),
)  # fmt: skip
wild_books = st.builds(
    lambda time, bids, asks, fast: L2Book("BTC", time, (tuple(bids), tuple(asks)), fast),
    times, st.lists(levels, max_size=6), st.lists(levels, max_size=6), st.booleans(),
)  # fmt: skip
bbos = st.builds(
    lambda time, bid, ask: Bbo("BTC", time, (bid, ask)),
    times, st.none() | levels, st.none() | levels,
)  # fmt: skip
inputs = st.one_of(bbos, bbos, sound_books, wild_books, st.just("reconnect"))


def new_core() -> Ingestor:
    core = Ingestor(IngestorConfig())
    core.step(NOW, Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=NOW))
    list(core.step(NOW, Connected()))
    return core


def is_sorted(side: tuple[Level, ...], worse: int) -> bool:
    return all((b.px - a.px) * worse > 0 for a, b in zip(side, side[1:], strict=False))


def accepts(bbo: Bbo, newest_ms: int) -> bool:
    sides = [level for level in bbo.bbo if level is not None]
    if not all(n.is_finite() and n > 0 for level in sides for n in (level.px, level.sz)):
        return False
    return bbo.time >= newest_ms and (len(sides) < 2 or sides[0].px < sides[1].px)


@given(st.lists(inputs, max_size=40))
def test_published_books_are_always_sound(sequence: list[Any]) -> None:
    core = new_core()
    touch: Bbo | None = None
    for item in sequence:
        if item == "reconnect":
            list(core.step(NOW, Disconnected("")))
            outputs = list(core.step(NOW, Connected()))
            assert isinstance(outputs[0], Reconnected)
            touch = None
            continue
        if isinstance(item, Bbo) and accepts(item, touch.time if touch else 0):
            touch = item
        for output in core.step(NOW, EventReceived(item, float(NOW))):
            if isinstance(output, Event):
                continue
            assert isinstance(output, (Book, Depth))
            assert output.epoch == core.epoch
            assert is_sorted(output.bids, -1) and is_sorted(output.asks, 1)
            if isinstance(output, Depth):
                continue
            assert 1 <= len(output.bids) <= 5 and 1 <= len(output.asks) <= 5
            assert output.bids[0].px < output.asks[0].px
            if touch is not None and touch.time == output.time_ms:
                bid, ask = touch.bbo
                assert bid is not None and ask is not None
                assert output.bids[0] == Level(bid.px, bid.sz)
                assert output.asks[0] == Level(ask.px, ask.sz)


FRAMES = [
    b'{"channel":"bbo","data":{"coin":"BTC","time":5,"bbo":[{"px":"1","sz":"1","n":1},null]}}',
    b'{"channel":"l2Book","data":{"coin":"BTC","time":5,"levels":[[{"px":"1","sz":"1","n":1}],[]],"fast":true}}',
    b'{"channel":"trades","data":[{"coin":"BTC","side":"B","px":"1","sz":"1","time":5,"tid":1,"hash":"0x"}]}',
    b'{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"funding":"1","openInterest":"1","prevDayPx":"1",'
    b'"dayNtlVlm":"1","oraclePx":"1","markPx":"1"}}}',
    b'{"channel":"error","data":"x"}',
    b'{"channel":"pong"}',
]
SPLINTERS = [b"", b'"', b"}", b"[", b"9" * 400, b"\xff", b"e9"]
damage = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 3), st.sampled_from(SPLINTERS)),
    max_size=4,
)  # fmt: skip


@given(st.one_of(st.binary(max_size=60), st.sampled_from(FRAMES)), damage)
def test_no_frame_crashes_the_core(raw: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for place, length, text in cuts:
        raw = raw[:place] + text + raw[place + length :]
    for output in new_core().step(NOW, FrameReceived(raw, float(NOW))):
        assert isinstance(output, (Book, Depth, Trades, Event)) or type(output).__name__ == "AssetCtx"


def test_absurd_nesting_and_exponents_are_refused() -> None:
    core = new_core()
    for raw in (
        b'{"channel":"bbo","data":' + b"[" * 100_000,
        b"[" * 100_000,
        b'{"channel":"bbo","data":{"coin":"BTC","time":5,"bbo":[{"px":"1e99999999999999999999","sz":"1"},null]}}',
        b'{"channel":"bbo","data":{"coin":"BTC","time":1e400,"bbo":[null,null]}}',
        b'{"channel":"bbo","data":{"coin":"BTC","time":' + b"9" * 5000 + b',"bbo":[null,null]}}',
    ):
        assert all(isinstance(output, Event) for output in core.step(NOW, FrameReceived(raw, float(NOW))))
    assert sum(core.refused.values()) == 5
