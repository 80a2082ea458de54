"""The trading client: one order made ready, and how long an answer takes by websocket and by REST.

The venue is a process of its own with blocks of 10 ms and no delays, so what is left is one block, the client and
the way.
"""

import asyncio
from statistics import median, quantiles
from typing import Protocol

import msgspec
from eth_account import Account as Wallet
from eth_account.signers.local import LocalAccount
from hyperliquid.utils import signing as sdk

from services.venue.market.universe import MARKET
from shared.clock import monotonic_s, wall_ms
from shared.hyperliquid.account_ws import AccountSocket, open_account_socket
from shared.hyperliquid.actions import CancelByCloid, CancelByCloidWire, PlaceOrders
from shared.hyperliquid.exchange import ExchangeClient
from shared.hyperliquid.limits import IpLimits
from shared.hyperliquid.nonces import NonceCounter
from shared.hyperliquid.orders import limit_order
from shared.hyperliquid.replies import Answered, Cancelled, Resting
from shared.hyperliquid.signing import require_fast_signing, sign_l1_action
from shared.units import exact, lot_size, round_px
from tests.bench.timing import timed
from tests.bench.venue import serving

WALLET: LocalAccount = Wallet.from_key("0x" + "77" * 32)
ROUNDS, WARM_UP = 400, 50
WANTED_MS = 0.3
FREE = 10**9
"""Weight: the limits are not what is measured."""


class Row(Protocol):
    """One line of the report."""

    def __call__(self, what: str, value: str, baseline: str, ratio: float | None) -> None: ...


def order(asset: int, number: int) -> PlaceOrders:
    """A bid five percent below the market."""
    coin = MARKET.coins[asset]
    px = round_px(exact(coin.mid_px) * 95 / 100, coin.sz_decimals, "bid")
    lot = lot_size(coin.sz_decimals)
    sz = (20 / px / lot).to_integral_value() * lot + lot
    return PlaceOrders((limit_order(asset, coin.sz_decimals, "bid", px, sz, cloid=f"0x{number:032x}"),), "na")


def one_order() -> tuple[float, float]:
    """Seconds from the price to the bytes of the request: ours, and the SDK's signing alone."""
    require_fast_signing()

    def ours() -> bytes:
        action = order(0, 1)
        signature = sign_l1_action(WALLET, action, None, 1_790_000_000_000, 1_790_000_005_000, False)
        return msgspec.json.encode({"action": action, "signature": signature})

    action = msgspec.to_builtins(order(0, 1))
    theirs = timed(lambda: sdk.sign_l1_action(WALLET, action, None, 1_790_000_000_000, 1_790_000_005_000, False))
    return timed(ours), theirs


async def answers(url: str) -> dict[str, list[float]]:
    """Seconds from `send` to the outcome of places and cancels, alternately by either way."""
    limits = IpLimits(weight=FREE)
    took: dict[str, list[float]] = {"websocket": [], "REST": []}
    client = ExchangeClient(url, WALLET, NonceCounter(), limits, timeout_s=10, lifetime_ms=60_000)
    async with client, open_account_socket(url, 10, limits) as socket:
        ways: tuple[tuple[str, AccountSocket | None], ...] = (("websocket", socket), ("REST", None))
        for number in range(ROUNDS + WARM_UP):
            asset, cloid = number % len(MARKET.coins), f"0x{int(wall_ms() * 1000):032x}"
            for name, way in ways:
                begun = monotonic_s()
                placed = await client.send(order(asset, int(cloid, 16)), way)
                middle = monotonic_s()
                gone = await client.send(CancelByCloid((CancelByCloidWire(asset, cloid),)), way)
                _check(placed, gone)
                if number >= WARM_UP:
                    took[name] += [middle - begun, monotonic_s() - middle]
    return took


def _check(placed: object, gone: object) -> None:
    match placed, gone:
        case Answered((Resting(),)), Answered((Cancelled(),)):
            return
    raise SystemExit(f"an order or its cancel went wrong: {placed}, {gone}")


def report(row: Row) -> None:
    ours, theirs = one_order()
    wanted = f"SDK, signing alone: {theirs * 1e6:.0f} us; wanted: {WANTED_MS * 1000:.0f} us"
    row("one order built, signed, encoded", f"{ours * 1e6:.0f} us", wanted, ours / theirs)
    with serving(MM_BLOCK_MS="10") as url:
        took = asyncio.run(answers(url))
    rest, posts = took["REST"], took["websocket"]
    row(
        "action answered by websocket, p50",
        _ms(median(posts)),
        f"REST: {_ms(median(rest))}",
        median(posts) / median(rest),
    )
    slow, slow_rest = (quantiles(times, n=100)[98] for times in (posts, rest))
    row("action answered by websocket, p99", _ms(slow), f"REST: {_ms(slow_rest)}", slow / slow_rest)


def _p99(times: list[float]) -> float:
    return quantiles(times, n=100)[98]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
