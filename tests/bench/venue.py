"""The bundled venue: requests and frames a second, signatures, and how fast it makes a day of market.

Requests are signed beforehand, half of them orders that rest and half their cancels, by 20 accounts over 30 coins.
Server and clients are two processes, as on the two cores of a small machine.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, cycle, islice
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import msgspec
from eth_account import Account as Wallet
from eth_keys.backends import get_backend
from eth_keys.datatypes import Signature as EthSignature

from services.venue.config import VenueConfig
from services.venue.exchange.requests import Signed, read
from services.venue.market.book import Sign
from services.venue.market.timeline import Timeline
from services.venue.market.universe import MARKET, ListedCoin
from services.venue.venue import Venue
from shared.clock import monotonic_s, wall_ms
from shared.hyperliquid import actions
from shared.hyperliquid.digests import Signature, recover
from shared.units import exact, lot_size, round_px, wire
from tests.bench.timing import timed
from tests.fixtures.venue_signer import Signer, envelope

ROOT = Path(__file__).resolve().parents[2]
PORT = 13011
JSON = {"Content-Type": "application/json"}
ACCOUNTS = 20
IN_PROCESS, OVER_SOCKETS = 3_000, 12_000
CONNECTIONS, SOCKETS, IN_FLIGHT = 64, 8, 64
RUN_S = 6.0
MARKET_S, DAY_S = 600, 86_400
WANTED_SPEED = 20.0
WANTED = ("bbo", "trades", "l2Book", "activeAssetCtx")
SIGNERS = [Signer(number) for number in range(1, ACCOUNTS + 1)]
_nonces = count(int(wall_ms()))


class Row(Protocol):
    """One line of the report."""

    def __call__(self, what: str, value: str, baseline: str, ratio: float | None) -> None: ...


Pair = tuple[bytes, ...]
"""Requests that follow each other on one connection."""


def requests() -> Iterator[Pair]:
    """An order five percent below the market, its cancel, the next account's order in the next coin …"""
    for number, (coin, signer) in enumerate(zip(cycle(MARKET.coins), cycle(SIGNERS[:-1]))):
        cloid = f"0x{next(_nonces):032x}"
        asset = number % len(MARKET.coins)
        pair = _order(asset, coin, cloid), _cancel(asset, cloid)
        yield tuple(signer.body(envelope(action, next(_nonces))) for action in pair)


def _order(asset: int, coin: ListedCoin, cloid: str) -> dict[str, Any]:
    px = round_px(exact(coin.mid_px) * 95 / 100, coin.sz_decimals, "bid")
    sz = 20 // px + 1 if coin.sz_decimals == 0 else round(20 / px, coin.sz_decimals) + lot_size(coin.sz_decimals)
    terms = {"p": wire(px).removesuffix(".0"), "s": wire(sz).removesuffix(".0"), "r": False}
    order = {"a": asset, "b": True, **terms, "t": {"limit": {"tif": "Alo"}}, "c": cloid}
    return {"type": "order", "orders": [order], "grouping": "na"}


def _cancel(asset: int, cloid: str) -> dict[str, Any]:
    return {"type": "cancelByCloid", "cancels": [{"asset": asset, "cloid": cloid}]}


def went_well(reply: Any) -> bool:
    """Resting, or cancelled."""
    status = reply["response"]["data"]["statuses"][0] if reply["status"] == "ok" else None
    return status == "success" or (isinstance(status, dict) and "resting" in status)


def signatures() -> tuple[float, float]:
    """Seconds to recover an address: ours, and eth_keys'."""
    wallet = Wallet.from_key("0x" + "11" * 32)
    digest = bytes(range(32))
    signed = wallet.unsafe_sign_hash(digest)
    ours, theirs = Signature(signed.r, signed.s, signed.v), EthSignature(vrs=(signed.v - 27, signed.r, signed.s))

    def baseline() -> str:
        return theirs.recover_public_key_from_msg_hash(digest).to_checksum_address()

    assert recover(digest, ours) == wallet.address.lower() and baseline() == wallet.address
    return timed(lambda: recover(digest, ours)), timed(baseline)


# ---- without sockets -----------------------------------------------------------------------------------------


def a_venue() -> Venue:
    """30 coins, no delays, no limits, nobody listening."""
    config = VenueConfig(builder_dex=False, limits=False, order_delay_ms=0, taker_delay_ms=0)
    venue = Venue(config, Timeline(config), lambda fact: None)
    venue.block(venue.next_block_ms(), int(wall_ms()))
    return venue


def in_process(bodies: list[bytes]) -> tuple[float, float]:
    """Requests a second, decoded, recovered and executed, 20 in a block of 70 ms; and the same only recovered."""
    venue, answered = a_venue(), Tally()
    begun = monotonic_s()
    for first in range(0, len(bodies), 20):
        for body in bodies[first : first + 20]:
            venue.submit(read(body, is_mainnet=False), answered.add)
        venue.block(venue.next_block_ms(), int(wall_ms()))
    spent = monotonic_s() - begun
    answered.check(len(bodies))
    begun = monotonic_s()
    for body in bodies:
        read(body, is_mainnet=False)
    return len(bodies) / spent, len(bodies) / (monotonic_s() - begun)


class Tally:
    """Counts replies that are as expected."""

    def __init__(self) -> None:
        self.good = 0
        self.bad: Any = None

    def add(self, reply: Any) -> None:
        if went_well(reply):
            self.good += 1
        else:
            self.bad = self.bad or reply

    def check(self, sent: int) -> None:
        if self.good != sent:
            raise SystemExit(f"{sent - self.good} of {sent} requests went wrong, the first: {self.bad}")


def modelled(market_s: int, requests_a_second: int) -> float:
    """Times real time at which the market runs for `market_s`; accounts trade in it that often."""
    venue = a_venue()
    base_ms, begun_ms, sent = int(wall_ms()), venue.block_ms, 0
    begun = monotonic_s()
    while venue.block_ms - begun_ms < market_s * 1000:
        while sent < (venue.block_ms - begun_ms) * requests_a_second / 1000:
            sent += 1
            ask(venue, sent, base_ms)
        venue.block(venue.next_block_ms(), base_ms + venue.block_ms)
    return market_s / (monotonic_s() - begun)


def ask(venue: Venue, number: int, base_ms: int) -> None:
    """The next of many: an account quotes at the touch; with 20 orders open it takes its oldest back."""
    listings = list(venue.world.listings.values())
    user, listing = SIGNERS[number % ACCOUNTS].address, listings[number % len(listings)]
    account = venue.world.accounts.get(user)
    action: actions.AnyAction
    if account is not None and len(account.orders) >= 20:
        oldest = next(iter(account.orders.values()))
        action = actions.Cancel((actions.CancelWire(oldest.listing.asset, oldest.oid),))
    else:
        sign: Sign = 1 if number // len(listings) % 2 else -1
        px = venue.market.book(listing.coin).best_px(sign) or listing.mark_px
        terms = wire(listing.px(px)), wire(listing.sz(20_000_000 // px + 1))
        kind = actions.OrderType(limit=actions.LimitType("Alo"))
        action = actions.PlaceOrders((actions.OrderWire(listing.asset, sign == 1, *terms, False, kind),), "na")
    venue.submit(Signed(action, user, base_ms + number), lambda reply: None)


# ---- over sockets --------------------------------------------------------------------------------------------


@contextmanager
def serving(**settings: str) -> Iterator[str]:
    """The venue as its own process, as the stack runs it; its address."""
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ, "MM_VENUE_PORT": str(PORT), "MM_LIMITS": "false", "MM_BUILDER_DEX": "false",
            "MM_ORDER_DELAY_MS": "0", "MM_TAKER_DELAY_MS": "0", "MM_RUN_DIR": folder, "MM_LOG_DIR": folder,
            "MM_DATA_DIR": folder, **settings,
        }  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services", "venue"], cwd=ROOT, env=env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            asyncio.run(_up(process))
            yield f"http://127.0.0.1:{PORT}"
        finally:
            process.terminate()
            process.wait()


async def _up(process: subprocess.Popen[bytes]) -> None:
    async with aiohttp.ClientSession() as http:
        while process.poll() is None:
            try:
                async with http.get(f"http://127.0.0.1:{PORT}/health"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise SystemExit(f"the venue did not start (exit {process.returncode})")


async def over_http(url: str, path: str, pairs: Iterator[Pair], check: Callable[[Any], None]) -> float:
    """Requests a second over keep-alive connections, each with one request in flight, until the bodies end."""
    done = 0
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)

    async def client(http: aiohttp.ClientSession) -> None:
        nonlocal done
        for pair in pairs:
            for body in pair:
                async with http.post(url + path, data=body, headers=JSON) as answer:
                    check(msgspec.json.decode(await answer.read()))
                done += 1

    async with aiohttp.ClientSession(connector=connector) as http:
        begun = monotonic_s()
        await asyncio.gather(*(client(http) for _ in range(CONNECTIONS)))
        return done / (monotonic_s() - begun)


async def over_websockets(url: str, pairs: Iterator[Pair], check: Callable[[Any], None]) -> float:
    """Posted actions a second, some in flight on each of several sockets."""
    done = 0

    async def client(http: aiohttp.ClientSession) -> None:
        nonlocal done
        async with http.ws_connect(f"{url}/ws") as socket:
            flying = 0
            while True:
                while flying < IN_FLIGHT and (pair := next(pairs, None)) is not None:
                    for body in pair:
                        await socket.send_bytes(_post(body))
                    flying += len(pair)
                if not flying:
                    return
                frame = msgspec.json.decode((await socket.receive()).data)
                check(frame["data"]["response"]["payload"])
                flying, done = flying - 1, done + 1

    async with aiohttp.ClientSession() as http:
        begun = monotonic_s()
        await asyncio.gather(*(client(http) for _ in range(SOCKETS)))
        return done / (monotonic_s() - begun)


def _post(body: bytes) -> bytes:
    return b'{"method":"post","id":1,"request":{"type":"action","payload":%b}}' % body


async def frames(url: str, clients: int) -> float:
    """Frames a second that arrive at clients who want the books, touches, trades and contexts of 30 coins."""
    heard = 0

    async def client(http: aiohttp.ClientSession) -> None:
        nonlocal heard
        async with http.ws_connect(f"{url}/ws", max_msg_size=0) as socket:
            for coin in MARKET.coins:
                for kind in WANTED:
                    wanted = {"type": kind, "coin": coin.name} | ({"fast": True} if kind == "l2Book" else {})
                    await socket.send_json({"method": "subscribe", "subscription": wanted})
            async for _ in socket:
                heard += 1

    async with aiohttp.ClientSession() as http:
        listening = [asyncio.create_task(client(http)) for _ in range(clients)]
        await asyncio.sleep(2)
        before, begun = heard, monotonic_s()
        await asyncio.sleep(RUN_S)
        rate = (heard - before) / (monotonic_s() - begun)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        return rate


# ---- the report ----------------------------------------------------------------------------------------------


def report(row: Row, *, full_day: bool = False) -> None:
    """Every number beside its baseline."""
    ours, theirs = signatures()
    backend = type(get_backend()).__name__
    row("a signer recovered", f"{ours * 1e6:.0f} us", f"eth_keys, {backend}: {theirs * 1e6:.0f} us", ours / theirs)
    rate, reading = in_process([body for pair in islice(requests(), IN_PROCESS // 2) for body in pair])
    row("requests, in process", f"{rate:,.0f} /s", f"read and recovered only: {reading:,.0f} /s", rate / reading)
    with serving(MM_BLOCK_MS="10") as url:
        asked = iter([(b'{"type":"exchangeStatus"}',)] * OVER_SOCKETS)
        asking = asyncio.run(over_http(url, "/info", asked, lambda reply: None))
        baseline = f"exchangeStatus, {CONNECTIONS} HTTP connections: {asking:,.0f} /s"
        for what in (f"HTTP, {CONNECTIONS} connections", f"posts on {SOCKETS} websockets"):
            answered, pairs = Tally(), iter(list(islice(requests(), OVER_SOCKETS // 2)))
            sending = (
                over_http(url, "/exchange", pairs, answered.add)
                if what.startswith("HTTP")
                else over_websockets(url, pairs, answered.add)
            )
            rate = asyncio.run(sending)
            answered.check(OVER_SOCKETS)
            row(f"requests, {what}", f"{rate:,.0f} /s", baseline, rate / asking)
    with serving() as url:
        real = asyncio.run(frames(url, 1))
    for clients in (1, 4):
        with serving(MM_SPEED="max") as url:
            rate = asyncio.run(frames(url, clients))
        row(
            f"frames to {clients} clients, 30 coins",
            f"{rate:,.0f} /s",
            f"one client at real time: {real:,.0f} /s",
            rate / real,
        )
    market_s = DAY_S if full_day else MARKET_S
    label = "a day" if full_day else f"a day from {MARKET_S // 60} minutes of it"
    for trading in (0, 20):
        speed = modelled(market_s, trading)
        taken = f"{speed:.0f} x, {DAY_S / speed / 60:.0f} min"
        row(f"{label}, {trading} requests/s", taken, f"wanted: {WANTED_SPEED:.0f} x", speed / WANTED_SPEED)
