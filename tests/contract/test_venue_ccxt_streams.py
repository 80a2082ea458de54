"""ccxt's websocket client of hyperliquid, unmodified, on the bundled venue: what it watches and what it posts."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import ccxt
import ccxt.pro
import pytest

from tests.fixtures.venue_server import WAIT_S, RunningVenue

BTC, GOLD = "BTC/USDC:USDC", "XYZ-GOLD/USDC:USDC"
T = TypeVar("T")


@pytest.fixture(scope="module")
def venue() -> Iterator[RunningVenue]:
    with RunningVenue(limits=False) as running:
        yield running


@pytest.fixture
async def exchange(venue: RunningVenue) -> AsyncIterator[Any]:
    key = "0x" + secrets.token_hex(32)
    made = ccxt.pro.hyperliquid(
        {
            "walletAddress": ccxt.Exchange.eth_get_address_from_private_key(key),
            "privateKey": key,
            "enableRateLimit": False,
            "urls": {"api": {"public": venue.url, "private": venue.url, "ws": {"public": venue.ws_url}}},
            "options": {"sandboxMode": True, "builderFee": False, "refSet": True},
        }
    )
    await made.load_markets()
    yield made
    await made.close()


async def soon(something: Awaitable[T]) -> T:
    return await asyncio.wait_for(something, WAIT_S)


async def until(watch: Callable[[], Awaitable[T]], wanted: Callable[[T], bool]) -> T:
    """The first update that is wanted."""
    async with asyncio.timeout(WAIT_S):
        while True:
            update = await watch()
            if wanted(update):
                return update


async def touch(exchange: Any, symbol: str = BTC) -> tuple[float, float]:
    book = await exchange.fetch_order_book(symbol)
    return book["bids"][0][0], book["asks"][0][0]


async def test_books_tickers_trades_and_candles(exchange: Any) -> None:
    book = await soon(exchange.watch_order_book(BTC))
    assert book["bids"][0][0] < book["asks"][0][0]
    assert len(book["bids"]) == 20
    ticker = await soon(exchange.watch_ticker(BTC))
    assert abs(ticker["last"] / book["bids"][0][0] - 1) < 0.01
    tickers = await soon(exchange.watch_tickers([GOLD]))
    assert tickers[GOLD]["symbol"] == GOLD
    trades = await soon(exchange.watch_trades(BTC))
    assert all(trade["symbol"] == BTC and trade["amount"] > 0 for trade in trades)
    candles = await soon(exchange.watch_ohlcv(BTC, "1m"))
    assert candles[-1][2] >= candles[-1][3] > 0


async def test_orders_and_fills_are_heard(exchange: Any) -> None:
    orders = asyncio.create_task(exchange.watch_orders(BTC))
    fills = asyncio.create_task(until(lambda: exchange.watch_my_trades(BTC), bool))
    await soon(exchange.watch_order_book(BTC))  # on the same socket: what was asked for before is on by now
    bid, ask = await touch(exchange)
    rests = await exchange.create_order(BTC, "limit", "buy", 0.001, bid * 0.97, {"postOnly": True})
    assert [(order["id"], order["status"]) for order in await soon(orders)] == [(rests["id"], "open")]
    bought = await exchange.create_order(BTC, "market", "buy", 0.01, ask)
    (fill,) = await soon(fills)
    assert (fill["order"], fill["amount"], fill["info"]["crossed"]) == (bought["id"], 0.01, True)
    ended = asyncio.create_task(
        until(lambda: exchange.watch_orders(BTC), lambda found: "canceled" in {order["status"] for order in found})
    )
    await exchange.cancel_order(rests["id"], BTC)
    assert [order["id"] for order in await soon(ended) if order["status"] == "canceled"] == [rests["id"]]


async def test_positions_and_balance_follow_the_trades(exchange: Any) -> None:
    balance = await soon(exchange.watch_balance())
    assert balance["USDC"]["total"] == 10_000
    await exchange.create_order(BTC, "market", "sell", 0.01, (await touch(exchange))[0])
    (position,) = await until(lambda: exchange.watch_positions([BTC]), bool)
    assert (position["symbol"], position["side"], position["contracts"]) == (BTC, "short", 0.01)


async def test_orders_are_posted_edited_and_canceled_over_the_socket(exchange: Any) -> None:
    bid, ask = await touch(exchange)
    placed = await soon(exchange.create_order_ws(BTC, "limit", "buy", 0.001, bid * 0.97, {"postOnly": True}))
    edited = await soon(
        exchange.edit_order_ws(placed["id"], BTC, "limit", "buy", 0.002, bid * 0.96, {"postOnly": True})
    )
    (order,) = await exchange.fetch_open_orders(BTC)
    assert (order["id"], order["amount"]) == (edited["id"], 0.002)
    assert (await soon(exchange.cancel_order_ws(edited["id"], BTC)))["status"] == "success"
    with pytest.raises(ccxt.OrderNotFound, match="never placed, already canceled, or filled"):
        await soon(exchange.cancel_order_ws(edited["id"], BTC))
    with pytest.raises(ccxt.InsufficientFunds):
        await soon(exchange.create_order_ws(BTC, "limit", "buy", 30, bid))
    bought = await soon(exchange.create_order_ws(BTC, "market", "buy", 0.01, ask))
    assert bought["filled"] == 0.01


async def test_what_is_watched_no_longer_is_not_heard(exchange: Any) -> None:
    await soon(exchange.watch_trades(GOLD))
    await soon(exchange.un_watch_trades(GOLD))
    await soon(exchange.watch_order_book(GOLD))
    await soon(exchange.un_watch_order_book(GOLD))
