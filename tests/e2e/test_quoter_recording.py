"""Quoter and screener over minutes of a real recording: what must never happen, and numbers that make sense."""

import pytest

from services.quoter.config import QuoterConfig
from services.quoter.core import Quoter
from services.screener.config import ScreenerConfig
from services.screener.core import Screener
from shared.messages import AssetConfig, Book, CoinMeta, RiskLease, SidePermit, TargetQuotes, Trades, Universe
from shared.service import Tick
from tests.fixtures.screener_recording import messages

DECIMALS = {"BTC": 5, "ETH": 4, "SOL": 2, "WLFI": 0}
MINUTES = 8


@pytest.fixture(scope="module")
def session(recordings):
    """Every message of the recording, in order, with what both services said to it."""
    folder = recordings / "hl-20250904-4coins-a"
    universe = Universe(coins=tuple(CoinMeta(coin, n, 10) for coin, n in DECIMALS.items()), time_ms=0)
    quoter, screener = Quoter(QuoterConfig(), {}), Screener(ScreenerConfig(), {})
    said, books, next_ms = [], {}, None
    for time_ms, message in messages(folder, DECIMALS, MINUTES):
        if next_ms is None:
            next_ms = time_ms
            list(quoter.step(time_ms, universe))
            list(screener.step(time_ms, universe))
        while next_ms <= time_ms:
            for config in screener.step(next_ms, Tick()):
                said.append((next_ms, None, config))
                if isinstance(config, AssetConfig):
                    list(quoter.step(next_ms, config))
            for coin in DECIMALS:
                until_ms = next_ms + 3000
                permit = SidePermit()
                lease = RiskLease(coin=coin, issued_ms=next_ms, valid_until_ms=until_ms, bid=permit, ask=permit)
                said += [(next_ms, books.get(coin), out) for out in quoter.step(next_ms, lease)]
            said += [(next_ms, books.get(out.coin), out) for out in quoter.step(next_ms, Tick())]
            next_ms += 1000
        if isinstance(message, Book):
            books[message.coin] = message
            said += [(time_ms, message, out) for out in quoter.step(time_ms, message)]
        else:
            assert isinstance(message, Trades)
        list(screener.step(time_ms, message))
    return said


def test_no_quote_crosses_and_each_side_has_orders_or_a_reason(session):
    targets = [(book, out) for _, book, out in session if isinstance(out, TargetQuotes)]
    assert len(targets) > 3000
    for book, target in targets:
        assert bool(target.bids) != (target.bid_reason is not None)
        assert bool(target.asks) != (target.ask_reason is not None)
        if target.bids:
            assert target.bids[0].px < book.asks[0].px
        if target.asks:
            assert target.asks[0].px > book.bids[0].px
    two_sided = sum(bool(target.bids and target.asks) for _, target in targets)
    assert two_sided > 0.99 * len(targets)


def test_the_first_quote_answers_the_first_book(session):
    for coin in DECIMALS:
        own = [
            out for _, _, out in session if isinstance(out, TargetQuotes) and out.coin == coin and out.source_ms
        ]
        assert own[0].bids or own[1].bids


def test_published_settings_are_believable(session):
    last = {out.coin: out for _, _, out in session if isinstance(out, AssetConfig)}
    assert set(last) == set(DECIMALS)
    assert all(1.5 < config.base_spread_bps < 15 and config.enabled for config in last.values())
    assert last["BTC"].base_spread_bps < last["WLFI"].base_spread_bps
    assert all(config.atr_measured and 1e-4 < config.atr_fraction < 0.006 for config in last.values())
    assert last["BTC"].atr_fraction < last["WLFI"].atr_fraction
    assert last["BTC"].edge_bps is not None
