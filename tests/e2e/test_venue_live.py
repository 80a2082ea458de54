"""The venue's process and raw clients: what an account hears, asks and must find out, against the truth log."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest

from services.venue.exchange.facts import ActionTaken, BalanceChanged, Filled, Matched, OrderChanged
from services.venue.truth import read
from tests.fixtures.venue_live import (
    LiveVenue,
    Stream,
    Trader,
    Traders,
    cancel,
    new_cloid,
    place,
    quiet_recording,
    running,
    stream,
    wire,
)

BTC = 0
UNKNOWN = "Order was never placed, already canceled, or filled. asset=0"


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveVenue]:
    """A quiet book, 99 to 101: whatever trades inside was sent by the test."""
    folder = tmp_path_factory.mktemp("quiet")
    with running(folder, source=quiet_recording(folder / "recording"), limits="false") as made:
        yield made


@pytest.fixture
async def traders() -> AsyncIterator[Traders]:
    async with aiohttp.ClientSession() as http:
        made = Traders(http)
        yield made
        await made.leave()


# ---- what is heard -------------------------------------------------------------------------------------------


async def test_posted_orders_trade_and_both_sides_hear_of_the_trade_everybody_sees(
    venue: LiveVenue, traders: Traders
) -> None:
    maker, taker = traders(venue), traders(venue)
    async with stream(venue) as hears_maker, stream(venue) as hears_taker:
        await hears_maker.follow(maker)
        await hears_taker.follow(taker)
        await hears_taker.subscribe("trades", coin="BTC")
        cloid = new_cloid()
        resting = await hears_maker.answer(
            await hears_maker.post(maker.signed(place(wire(BTC, "sell", "100", "1.5", cloid=cloid))))
        )
        (status,) = resting["response"]["data"]["statuses"]
        assert status["resting"]["cloid"] == cloid
        number = await hears_taker.post(taker.signed(place(wire(BTC, "buy", "100.5", "1", "Ioc"))))
        (filled,) = (await hears_taker.answer(number))["response"]["data"]["statuses"]
        assert (filled["filled"]["totalSz"], filled["filled"]["avgPx"]) == ("1.0", "100.0")
        await hears_taker.settled()
        await hears_maker.settled()

        (bought,), (sold,) = hears_taker.fills(taker.address), hears_maker.fills(maker.address)
        (trade,) = [each for data in hears_taker.data("trades") for each in data if each["tid"] == bought["tid"]]
        assert bought["tid"] == sold["tid"]
        assert trade["users"] == [taker.address, maker.address]
        assert (trade["side"], trade["px"], trade["sz"]) == ("B", bought["px"], bought["sz"])
        assert trade["hash"] == bought["hash"] == sold["hash"]
        assert (bought["crossed"], sold["crossed"], sold["cloid"]) == (True, False, cloid)
        assert [update["status"] for update in hears_maker.updates()] == ["open"], "a partial fill is no status"
        (frame,) = hears_taker.data("orderUpdates")
        assert [(update["status"], update["order"]["sz"]) for update in frame] == [
            ("open", "1.0"),
            ("filled", "0.0"),
        ]
        assert [data["fills"] for data in hears_maker.data("user") if "fills" in data] == [[sold]]
        (live,) = await maker.info("openOrders")
        assert (live["sz"], live["origSz"]) == ("0.5", "1.5")


async def test_after_a_broken_socket_the_truth_is_found_by_asking(venue: LiveVenue, traders: Traders) -> None:
    maker, taker = traders(venue), traders(venue)
    async with stream(venue) as broken:
        await broken.follow(maker)
        statuses = await maker.statuses(
            place(wire(BTC, "sell", "100", "1", cloid=new_cloid()), wire(BTC, "sell", "100.9", "1"))
        )
        gone, stays = (status["resting"]["oid"] for status in statuses)
        await broken.until(lambda frame: frame["channel"] == "orderUpdates")
        broken.connection.transport.abort()
        await asyncio.wait_for(broken.over.wait(), 10)
    await taker.statuses(place(wire(BTC, "buy", "100", "1", "Ioc")))

    async with stream(venue) as again:
        await again.follow(maker)
        await again.settled()
        (snapshot,) = again.data("userFills")
        assert snapshot["isSnapshot"] is True
        assert [fill["oid"] for fill in snapshot["fills"]] == [gone]
        assert again.data("orderUpdates") == [], "what was missed is not told again"
        assert again.data("user") == []
    assert [order["oid"] for order in await maker.info("openOrders")] == [stays]
    assert (await maker.info("orderStatus", oid=gone))["order"]["status"] == "filled"
    fills = await maker.info("userFillsByTime", startTime=0)
    assert fills == snapshot["fills"]
    assert (await maker.info("clearinghouseState"))["assetPositions"][0]["position"]["szi"] == "-1.0"


async def test_unknown_cancels_say_the_same_whatever_the_reason(venue: LiveVenue, traders: Traders) -> None:
    trader, other = traders(venue), traders(venue)
    (status,) = await trader.statuses(place(wire(BTC, "buy", "99.5", "1")))
    oid = status["resting"]["oid"]
    assert await other.statuses(cancel(BTC, oid)) == [{"error": UNKNOWN}], "somebody else's order"
    assert await trader.statuses(cancel(BTC, oid, 10**12)) == ["success", {"error": UNKNOWN}]
    assert await trader.statuses(cancel(BTC, oid)) == [{"error": UNKNOWN}]
    by_cloid = {"type": "cancelByCloid", "cancels": [{"asset": BTC, "cloid": new_cloid()}]}
    assert await trader.statuses(by_cloid) == [{"error": UNKNOWN}]


# ---- order inside the mempool --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slow_for_takers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveVenue]:
    folder = tmp_path_factory.mktemp("takers")
    with running(folder, source=quiet_recording(folder / "recording"), taker_delay_ms=1500) as made:
        yield made


async def test_a_cancel_sent_after_a_taker_still_wins(slow_for_takers: LiveVenue, traders: Traders) -> None:
    maker, taker = traders(slow_for_takers), traders(slow_for_takers)
    async with stream(slow_for_takers) as socket:
        (status,) = await maker.statuses(place(wire(BTC, "sell", "100", "1")))
        hit = await socket.post(taker.signed(place(wire(BTC, "buy", "100", "1", "Ioc"))))
        away = await socket.post(maker.signed(cancel(BTC, status["resting"]["oid"])))
        assert (await socket.answer(away))["response"]["data"]["statuses"] == ["success"]
        (missed,) = (await socket.answer(hit))["response"]["data"]["statuses"]
        assert missed == {"error": "Order could not immediately match against any resting orders. asset=0"}
    assert await maker.info("userFills") == await taker.info("userFills") == []


async def test_a_post_only_order_sent_after_a_taker_is_there_before_it(
    slow_for_takers: LiveVenue, traders: Traders
) -> None:
    maker, taker = traders(slow_for_takers), traders(slow_for_takers)
    async with stream(slow_for_takers) as socket:
        hit = await socket.post(taker.signed(place(wire(BTC, "buy", "101", "1", "Ioc"))))
        quote = await socket.post(maker.signed(place(wire(BTC, "sell", "100.2", "1"))))
        assert "resting" in (await socket.answer(quote))["response"]["data"]["statuses"][0]
        (filled,) = (await socket.answer(hit))["response"]["data"]["statuses"]
        assert filled["filled"]["avgPx"] == "100.2"
    (sold,) = await maker.info("userFills")
    assert sold["crossed"] is False


async def test_a_noop_with_its_nonce_stops_a_taker_on_the_way(
    slow_for_takers: LiveVenue, traders: Traders
) -> None:
    taker = traders(slow_for_takers)
    async with stream(slow_for_takers) as socket:
        order = taker.signed(place(wire(BTC, "buy", "101", "1", "Ioc")))
        hit = await socket.post(order)
        stop = await socket.post(taker.signed({"type": "noop"}, nonce=order["nonce"]))
        assert (await socket.answer(stop))["status"] == "ok"
        refused = {"status": "err", "response": f"Invalid nonce: duplicate nonce {order['nonce']}"}
        assert await socket.answer(hit) == refused
    assert await taker.info("userFills") == []


# ---- what it is started with ---------------------------------------------------------------------------------


async def test_a_scenario_given_at_the_start_and_no_money_for_strangers(tmp_path: Path, traders: Traders) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[[at]]\ns = 0\nfault = "halt"\ncoin = "BTC"\n')
    source = quiet_recording(tmp_path / "recording")
    with running(tmp_path, source=source, fund=0, fault_script=script) as venue:
        trader = traders(venue)
        unknown = {"status": "err", "response": f"User or API Wallet {trader.address} does not exist."}
        assert await trader.act(place(wire(BTC, "buy", "99", "1"))) == unknown
        await venue.cli("account", trader.address, "--deposit", "500")
        assert (await trader.info("clearinghouseState"))["withdrawable"] == "500.0"
        (status,) = await trader.statuses(place(wire(BTC, "buy", "99", "1")))
        assert status["error"].startswith("Trading is halted.")


# ---- belief and truth ----------------------------------------------------------------------------------------


async def session(traders: list[Trader], assets: dict[int, tuple[str, int]], chance: Random, steps: int) -> None:
    """Quotes, takers, cancels and modifies around the mid, of everybody on everything."""
    for _ in range(steps):
        trader = chance.choice(traders)
        asset, (coin, decimals) = chance.choice(list(assets.items()))
        bids, asks = (await trader.info("l2Book", coin=coin))["levels"]
        side = chance.choice(("buy", "sell"))
        own, far = (bids, asks) if side == "buy" else (asks, bids)
        sz = f"{float(40 / float(own[0]['px'])):.{decimals}f}"
        resting = [order["oid"] for order in await trader.info("openOrders") if order["coin"] == coin]
        match chance.randrange(5):
            case 0:
                await trader.act(place(wire(asset, side, _px(own[0]), sz)))
            case 1:
                await trader.act(place(wire(asset, side, _px(far[2]), sz, "Ioc")))
            case 2:
                await trader.act(place(wire(asset, side, _px(far[0]), sz, "Gtc", cloid=new_cloid())))
            case 3 if resting:
                await trader.act(cancel(asset, *resting))
            case 4 if resting:
                order = wire(asset, side, _px(own[3]), sz)
                await trader.act({"type": "batchModify", "modifies": [{"oid": resting[0], "order": order}]})


def _px(level: dict[str, str]) -> str:
    return level["px"].removesuffix(".0")


async def test_everything_a_client_saw_is_what_happened(tmp_path: Path, traders: Traders) -> None:
    with running(tmp_path, limits="false", seed=7) as venue:
        three = [traders(venue) for _ in range(3)]
        meta = await three[0].info("meta")
        assets = {
            index: (coin["name"], coin["szDecimals"])
            for index, coin in enumerate(meta["universe"])
            if coin["name"] in ("NIL", "RENDER", "HYPE")
        }
        async with stream(venue) as first, stream(venue) as second, stream(venue) as third:
            streams = [first, second, third]
            for trader, socket in zip(three, streams, strict=True):
                await socket.follow(trader)
            await session(three, assets, Random(7), 150)
            for trader in three:
                await trader.act(cancel(min(assets), 10**12))
                live = await trader.info("openOrders")
                for order in live:
                    asset = next(index for index, (coin, _) in assets.items() if coin == order["coin"])
                    await trader.act(cancel(asset, order["oid"]))
            ends = [await ended(trader, socket) for trader, socket in zip(three, streams, strict=True)]
    facts = [entry.fact for entry in read(venue.truth)]
    assert sum(isinstance(fact, Filled) for fact in facts) >= 20, "a session worth comparing"
    for trader, socket, end in zip(three, streams, ends, strict=True):
        compare(trader, socket, end, facts)


async def ended(trader: Trader, socket: Stream) -> dict[str, Any]:
    """What the account looks like at the end, asked for."""
    kinds = ("clearinghouseState", "openOrders", "historicalOrders", "userRateLimit")
    answers = {kind: await trader.info(kind) for kind in kinds}
    answers["userFills"] = await trader.info("userFills")
    await socket.settled()
    return answers


def compare(trader: Trader, socket: Stream, end: dict[str, Any], facts: list[Any]) -> None:
    """Belief is what was heard and what was answered; truth the log."""
    mine = [fact for fact in facts if getattr(fact, "user", None) == trader.address]
    fills = [fact for fact in mine if isinstance(fact, Filled)]
    heard = socket.fills(trader.address)
    assert [_heard_fill(fill) for fill in heard] == [_true_fill(fact) for fact in fills]
    assert end["userFills"][::-1] == heard
    matched = {(fact.tid, fact.px, fact.sz, fact.coin) for fact in facts if isinstance(fact, Matched)}
    assert {(fact.tid, fact.px, fact.sz, fact.coin) for fact in fills} <= matched

    updates = [(update["order"], update["status"]) for update in socket.updates()]
    orders = [fact for fact in mine if isinstance(fact, OrderChanged)]
    told = [(order["oid"], status, Decimal(order["sz"])) for order, status in updates]
    assert told == [(fact.oid, fact.status, fact.sz) for fact in orders if not fact.resized]
    assert end["openOrders"] == []
    last = {fact.oid: fact.status for fact in orders}
    assert {order["order"]["oid"]: order["status"] for order in end["historicalOrders"]} == last
    assert "open" not in last.values()

    taken = {fact.nonce: fact.reply for fact in mine if isinstance(fact, ActionTaken)}
    assert taken == trader.replies
    assert end["userRateLimit"]["nRequestsUsed"] == sum(
        fact.weight for fact in mine if isinstance(fact, ActionTaken)
    )

    money = [fact for fact in mine if isinstance(fact, BalanceChanged) and fact.pool == ""]
    raw_usd = sum(fact.usd for fact in money)
    assert money[-1].after_usd == raw_usd
    assert Decimal(end["clearinghouseState"]["marginSummary"]["totalRawUsd"]) == raw_usd
    assert -sum(fact.usd for fact in money if fact.reason == "fee") == sum(Decimal(fill["fee"]) for fill in heard)
    positions = {
        each["position"]["coin"]: Decimal(each["position"]["szi"])
        for each in end["clearinghouseState"]["assetPositions"]
    }
    summed: dict[str, Decimal] = {}
    for fact in fills:
        assert fact.start_position == summed.get(fact.coin, Decimal(0))
        summed[fact.coin] = fact.start_position + (fact.sz if fact.side == "B" else -fact.sz)
    assert {coin: szi for coin, szi in summed.items() if szi} == positions


def _heard_fill(fill: dict[str, Any]) -> tuple[Any, ...]:
    amounts = tuple(Decimal(fill[name]) for name in ("px", "sz", "fee", "closedPnl", "startPosition"))
    rest = tuple(fill[name] for name in ("coin", "side", "oid", "tid", "hash", "crossed", "dir", "time"))
    return amounts + rest + (fill.get("cloid"),)


def _true_fill(fact: Filled) -> tuple[Any, ...]:
    amounts = (fact.px, fact.sz, fact.fee, fact.closed_pnl, fact.start_position)
    rest = (fact.coin, fact.side, fact.oid, fact.tid, fact.hash, fact.crossed, fact.dir, fact.time_ms)
    return amounts + rest + (fact.cloid,)
