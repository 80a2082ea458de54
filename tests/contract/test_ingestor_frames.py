"""The venue's own frames, as they were recorded, through the ingestor."""

import gzip
from itertools import islice
from pathlib import Path

import msgspec
import pytest

from services.ingestor.config import IngestorConfig
from services.ingestor.core import Ingestor
from services.ingestor.inputs import Connected, EventReceived, FrameReceived, UniverseLoaded
from services.venue.market.replay import open_recording
from shared.hyperliquid.wire import Bbo, Ctx, Meta
from shared.messages import Book, CoinMeta, Depth, Message, Reconnected, Trades, Universe


def recorded_frames(recordings: Path) -> list[tuple[float, bytes]]:
    recorded = (recordings / "hl-20250126-btc-rawws" / "btcusd_20250126.gz").read_bytes()
    lines = gzip.decompress(recorded).splitlines()
    return [(int(received_ns) / 1e6, raw) for received_ns, _, raw in (line.partition(b" ") for line in lines)]


def outputs(recordings: Path, repeat: int = 1) -> tuple[Ingestor, list[Message]]:
    core = Ingestor(IngestorConfig())
    core.step(0, Universe(coins=(CoinMeta("BTC", 5, 40),), time_ms=0))
    messages: list[Message] = []
    for _ in range(repeat):
        messages += [output for output in core.step(0, Connected()) if isinstance(output, Message)]
        for received_ms, raw in recorded_frames(recordings):
            messages += core.step(int(received_ms), FrameReceived(raw, received_ms))
    return core, messages


def test_every_recorded_frame_is_used(recordings: Path) -> None:
    core, messages = outputs(recordings)
    frames = [msgspec.json.decode(raw) for _, raw in recorded_frames(recordings)]
    books = [frame["data"] for frame in frames if frame["channel"] == "l2Book"]
    depths = [message for message in messages if isinstance(message, Depth)]
    assert sum(core.refused.values()) == 0
    assert [depth.time_ms for depth in depths] == [book["time"] for book in books]
    for depth, book in zip(depths, books, strict=True):
        for side, recorded in zip((depth.bids, depth.asks), book["levels"], strict=True):
            assert [(str(level.px), str(level.sz)) for level in side] == [
                (row["px"], row["sz"]) for row in recorded
            ]
    newest = [message for message in messages if isinstance(message, Book)][-1]
    assert (newest.bids, newest.asks) == (depths[-1].bids[:5], depths[-1].asks[:5])


def test_every_recorded_trade_comes_once_even_when_the_venue_repeats_it(recordings: Path) -> None:
    frames = [msgspec.json.decode(raw) for _, raw in recorded_frames(recordings)]
    tids = {trade["tid"] for frame in frames if frame["channel"] == "trades" for trade in frame["data"]}
    _, messages = outputs(recordings, repeat=2)
    assert sum(isinstance(message, Reconnected) for message in messages) == 2
    published = [trade.tid for message in messages if isinstance(message, Trades) for trade in message.trades]
    assert sorted(published) == sorted(tids)


def test_the_real_universe_gives_the_thirty_coins_of_most_volume(recordings: Path) -> None:
    answer = (recordings / "hl-meta" / "metaAndAssetCtxs_202605_joined.json").read_bytes()
    meta, ctxs = msgspec.json.decode(answer, type=tuple[Meta, tuple[Ctx, ...]])
    assets = tuple(zip(meta.universe, ctxs, strict=True))
    universe = next(iter(Ingestor(IngestorConfig()).step(0, UniverseLoaded(assets, 0.0))))
    named = (
        "BTC HYPE ETH ZEC SOL NEAR TON VVV SUI LIT XRP ONDO NIL WLD DOGE TAO FARTCOIN MORPHO XMR LTC INJ BNB"
        " RENDER ASTER XPL AAVE PAXG LINK PUMP ADA"
    )
    coins = [coin.coin for coin in universe.coins]
    assert len(coins) == 30
    assert coins == [coin for coin in named.split() if coin in coins]


@pytest.mark.parametrize("name", ["hl-20250904-4coins-a", "hl-20250903-4coins"])
def test_real_minutes_of_four_coins_are_used_completely(recordings: Path, name: str) -> None:
    recording = open_recording(recordings / name)
    core = Ingestor(IngestorConfig())
    core.step(recording.start_ms, Universe(coins=recording.coins, time_ms=recording.start_ms))
    list(core.step(recording.start_ms, Connected()))
    touch: dict[str, Bbo] = {}
    books = compared = 0
    for time_ms, event in islice(recording.events(), 8000):
        if isinstance(event, Bbo):
            touch[event.coin] = event
        for output in core.step(time_ms, EventReceived(event, float(time_ms))):
            if not isinstance(output, Book):
                continue
            books += 1
            assert output.bids[0].px < output.asks[0].px
            newest = touch.get(output.coin)
            if newest is not None and newest.time == output.time_ms:
                compared += 1
                bid, ask = newest.bbo
                assert bid is not None and ask is not None
                assert (output.bids[0].px, output.bids[0].sz) == (bid.px, bid.sz)
                assert (output.asks[0].px, output.asks[0].sz) == (ask.px, ask.sz)
    assert books > 1000 and compared > 1000
    assert sum(core.refused.values()) == 0
