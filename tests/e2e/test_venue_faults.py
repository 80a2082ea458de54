"""Faults on request, end to end: switched on with `market_maker venue …`, met by raw clients of the service."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import websockets

from services.venue.exchange.facts import Disturbed, OrderChanged
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
ABNORMAL = 1006
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveVenue]:
    """A quiet book, 99 to 101: whatever happens was done by the test."""
    folder = tmp_path_factory.mktemp("faults")
    with running(folder, source=quiet_recording(folder / "recording"), limits="false") as made:
        yield made


@pytest.fixture
async def traders() -> AsyncIterator[Traders]:
    async with aiohttp.ClientSession() as http:
        made = Traders(http)
        yield made
        await made.leave()


@pytest.fixture
async def venue(process: LiveVenue, traders: Traders) -> AsyncIterator[LiveVenue]:
    """Without a fault before and after."""
    yield process
    async with traders.http.delete(process.url + "/admin/faults") as answer:
        assert answer.status == 200


async def rest(trader: Trader, px: str = "100", side: str = "sell", **more: Any) -> int:
    """The oid of a resting order of 1 BTC."""
    (status,) = await trader.statuses(place(wire(BTC, side, px, "1", **more)))
    oid: int = status["resting"]["oid"]
    return oid


async def refusal(trader: Trader, order: dict[str, Any]) -> str | None:
    (status,) = await trader.statuses(place(order))
    error: str | None = status.get("error")
    return error


def best(frame: dict[str, Any]) -> tuple[str, str]:
    bid, ask = frame["data"]["bbo"]
    return bid["px"], ask["px"]


def bbos(socket: Stream) -> list[tuple[str, str]]:
    return [best(frame) for frame in socket.frames if frame["channel"] == "bbo"]


# ---- connections and frames ----------------------------------------------------------------------------------


async def test_drop_breaks_off_only_who_follows_the_account(venue: LiveVenue, traders: Traders) -> None:
    trader, other = traders(venue), traders(venue)
    async with stream(venue) as mine, stream(venue) as others:
        await mine.follow(trader)
        await others.follow(other)
        await venue.cli("fault", "drop", "--user", trader.address)
        await asyncio.wait_for(mine.over.wait(), 10)
        assert mine.connection.close_code == ABNORMAL
        await others.settled()


async def test_refused_connections_come_back_when_the_fault_is_cleared(venue: LiveVenue, traders: Traders) -> None:
    number = (await venue.cli("fault", "refuse_connections", "--status", "502"))["number"]
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with stream(venue):
            pass
    assert caught.value.response.status_code == 502
    assert [fault["number"] for fault in (await venue.cli("faults"))["running"]] == [number]
    assert await venue.cli("clear", str(number)) == {"ended": 1}
    async with stream(venue) as socket:
        await socket.settled()


async def test_a_stall_holds_frames_and_lets_them_go_in_order(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await socket.follow(trader)
        number = (await venue.cli("fault", "stall", "--channel", "orderUpdates"))["number"]
        oids = [await rest(trader), await rest(trader)]
        await socket.settled()
        assert socket.updates() == []
        await venue.cli("clear", str(number))
        await socket.until(lambda _: len(socket.updates()) == 2)
        assert [update["order"]["oid"] for update in socket.updates()] == oids


async def test_a_stall_that_loses_what_it_held(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await socket.follow(trader)
        number = (await venue.cli("fault", "stall", "--then", "drop"))["number"]
        lost = await rest(trader)
        await venue.cli("clear", str(number))
        await trader.statuses(cancel(BTC, lost))
        await socket.until(lambda frame: frame["channel"] == "orderUpdates")
        assert [(update["order"]["oid"], update["status"]) for update in socket.updates()] == [(lost, "canceled")]


async def test_frames_come_twice_and_overtake_each_other(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await socket.follow(trader)
        await venue.cli("fault", "duplicate", "--channel", "orderUpdates", "--count", "1")
        twice = await rest(trader)
        await socket.until(lambda _: len(socket.updates()) == 2)
        assert [update["order"]["oid"] for update in socket.updates()] == [twice, twice]
        await venue.cli("fault", "reorder", "--channel", "orderUpdates", "--count", "1", "--ms", "60000")
        first, second = await rest(trader), await rest(trader)
        await socket.until(lambda _: len(socket.updates()) == 4)
        assert [update["order"]["oid"] for update in socket.updates()[2:]] == [second, first]


async def test_a_stale_book_stands_still_while_everything_else_goes_on(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await socket.subscribe("bbo", coin="BTC")
        await socket.follow(trader)
        await socket.until(lambda frame: frame["channel"] == "bbo")
        await venue.cli("fault", "stale_book", "--coin", "BTC", "--how", "silent")
        await rest(trader, "100")
        await socket.until(lambda frame: frame["channel"] == "orderUpdates")
        await socket.settled()
        assert bbos(socket) == [("99.0", "101.0")]
        book = await trader.info("l2Book", coin="BTC")
        assert book["levels"][1][0]["px"] == "100.0", "queries tell the truth"


async def test_a_book_that_repeats_itself(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await socket.subscribe("bbo", coin="BTC")
        await venue.cli("fault", "stale_book", "--coin", "BTC")
        oid = await rest(trader, "100")
        await socket.until(lambda _: bbos(socket)[1:] == [("99.0", "100.0")])
        await trader.statuses(cancel(BTC, oid))
        await socket.until(lambda _: bbos(socket)[1:] == [("99.0", "100.0")] * 2)


async def test_a_crossed_book(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await socket.subscribe("bbo", coin="BTC")
        await venue.cli("fault", "crossed_book", "--coin", "BTC", "--count", "1")
        oid = await rest(trader, "100")
        await socket.until(lambda _: bbos(socket)[1:] == [("100.0", "99.0")])
        await trader.statuses(cancel(BTC, oid))
        await socket.until(lambda _: bbos(socket)[2:] == [("99.0", "101.0")])


async def test_a_dark_fill_is_found_by_asking_only(venue: LiveVenue, traders: Traders) -> None:
    maker, taker = traders(venue), traders(venue)
    async with stream(venue) as socket:
        await socket.follow(maker)
        oid = await rest(maker)
        await socket.until(lambda frame: frame["channel"] == "orderUpdates")
        await venue.cli("fault", "dark_fill", "--user", maker.address)
        (filled,) = await taker.statuses(place(wire(BTC, "buy", "100", "1", "Ioc")))
        assert filled["filled"]["totalSz"] == "1.0"
        await socket.settled()
        assert [update["status"] for update in socket.updates()] == ["open"]
        assert socket.fills(maker.address) == socket.data("user") == []
    assert [fill["oid"] for fill in await maker.info("userFills")] == [oid]
    assert await maker.info("openOrders") == []
    assert (await maker.info("orderStatus", oid=oid))["order"]["status"] == "filled"


# ---- requests ------------------------------------------------------------------------------------------------


async def test_a_lost_answer_took_effect_and_is_found_by_cloid(venue: LiveVenue, traders: Traders) -> None:
    trader, cloid = traders(venue), new_cloid()
    await venue.cli("fault", "lose_answer", "--user", trader.address, "--action", "order", "--count", "1")
    with pytest.raises(aiohttp.ClientConnectionError):
        await rest(trader, cloid=cloid)
    found = await trader.info("orderStatus", oid=cloid)
    assert found["order"]["status"] == "open"
    (order,) = await trader.info("openOrders")
    assert order["oid"] == found["order"]["order"]["oid"]
    assert await rest(trader) > order["oid"], "the next answer comes"


async def test_a_lost_answer_to_a_post_never_comes(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await venue.cli("fault", "lose_answer", "--user", trader.address, "--action", "order")
        lost = await socket.post(trader.signed(place(wire(BTC, "sell", "100", "1"))))
        told = await socket.post(trader.signed({"type": "noop"}))
        assert (await socket.answer(told))["status"] == "ok"
        await socket.settled()
        assert [data["id"] for data in socket.data("post")] == [told]
        assert lost != told
    assert len(await trader.info("openOrders")) == 1


async def test_a_delayed_answer_comes_after_the_news_of_its_effect(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    async with stream(venue) as socket:
        await socket.follow(trader)
        await venue.cli("fault", "delay_answer", "--user", trader.address, "--ms", "700", "--count", "1")
        late = await socket.post(trader.signed(place(wire(BTC, "sell", "100", "1"))))
        await socket.until(lambda frame: frame["channel"] == "orderUpdates")
        prompt = await socket.post(trader.signed({"type": "noop"}))
        await socket.answer(late)
        assert [data["id"] for data in socket.data("post")] == [prompt, late]


async def test_bursts_of_refusals(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    await venue.cli("fault", "reject", "--user", trader.address, "--count", "2")
    order = wire(BTC, "sell", "100", "1")
    told = [await refusal(trader, order) for _ in range(3)]
    assert told == ["Insufficient margin to place order. asset=0"] * 2 + [None]
    statuses = [order["status"] for order in await trader.info("historicalOrders")]
    assert statuses == ["open", "perpMarginRejected", "perpMarginRejected"]


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [(["http_429"], 429, b"null"), (["http_5xx", "--status", "503"], 503, b"Service Unavailable")],
)
async def test_bursts_of_http_errors(
    venue: LiveVenue, traders: Traders, fault: list[str], status: int, body: bytes
) -> None:
    trader = traders(venue)
    await venue.cli("fault", *fault, "--path", "/exchange", "--count", "2")
    order = trader.signed(place(wire(BTC, "sell", "100", "1")))
    answers = []
    for _ in range(3):
        async with traders.http.post(venue.url + "/exchange", json=order) as answer:
            answers.append((answer.status, await answer.read()))
        assert isinstance(await trader.info("openOrders"), list), "the other path answers"
    assert answers[:2] == [(status, body)] * 2
    assert answers[2][0] == 200, "nothing was done before: not even the nonce is used"
    assert b"resting" in answers[2][1]


# ---- the exchange --------------------------------------------------------------------------------------------


async def test_only_post_only_orders_after_an_upgrade(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    number = (await venue.cli("fault", "post_only"))["number"]
    text = "Only post-only orders allowed immediately after network upgrade"
    for tif in ("Gtc", "Ioc"):
        told = await refusal(trader, wire(BTC, "buy", "101", "1", tif))
        assert told is not None
        assert told.startswith(text)
    oid = await rest(trader)
    assert await trader.statuses(cancel(BTC, oid)) == ["success"]
    await venue.cli("clear", str(number))
    assert await refusal(trader, wire(BTC, "buy", "100", "1", "Gtc")) is None


async def test_a_halted_coin_takes_cancels_only(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    oid = await rest(trader)
    await venue.cli("halt-coin", "BTC")
    told = await refusal(trader, wire(BTC, "sell", "100", "1"))
    assert told is not None
    assert told.startswith("Trading is halted.")
    assert await trader.statuses(cancel(BTC, oid)) == ["success"]
    await venue.cli("resume-coin", "BTC")
    assert await rest(trader) > oid


async def test_dates_are_off_while_the_clock_is_skewed(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    before_ms = (await trader.info("exchangeStatus"))["time"]
    await venue.cli("fault", "clock_skew", "--ms", str(HOUR_MS))
    await rest(trader)
    (order,) = await trader.info("openOrders")
    assert HOUR_MS <= order["timestamp"] - before_ms < 2 * HOUR_MS
    assert (await trader.info("exchangeStatus"))["time"] >= order["timestamp"]


async def test_somebody_else_trades_on_the_account(venue: LiveVenue, traders: Traders) -> None:
    trader = traders(venue)
    mine = await rest(trader, "98", "buy")
    async with stream(venue) as socket:
        await socket.follow(trader)
        reply = await venue.cli("order", trader.address, "BTC", "buy", "0.5")
        (status,) = reply["response"]["data"]["statuses"]
        await socket.settled()
        assert [fill["oid"] for fill in socket.fills(trader.address)] == [status["filled"]["oid"]]
        await venue.cli("cancel", trader.address, "--oid", str(mine))
        await socket.until(lambda _: socket.updates()[-1]["status"] == "canceled")
        assert socket.updates()[-1]["order"]["oid"] == mine
    assert await trader.info("openOrders") == []
    state = await trader.info("clearinghouseState")
    assert state["assetPositions"][0]["position"]["szi"] == "0.5"


# ---- scenarios -----------------------------------------------------------------------------------------------


async def test_a_scenario_file_plays_by_itself_and_the_truth_log_says_so(
    venue: LiveVenue, traders: Traders, tmp_path: Path
) -> None:
    trader, file = traders(venue), tmp_path / "scenario.toml"
    order = f'fault = "external_order"\nuser = "{trader.address}"\ncoin = "BTC"\nside = "buy"\nsz = 1\npx = 97'
    gone = f'fault = "external_cancel"\nuser = "{trader.address}"'
    file.write_text(f"[[at]]\ns = 0.2\n{gone}\n[[at]]\ns = 0\n{order}\n")
    async with stream(venue) as socket:
        await socket.follow(trader)
        assert (await venue.cli("scenario", str(file)))["steps"] == 2
        await socket.until(lambda _: [update["status"] for update in socket.updates()] == ["open", "canceled"])
    facts = [entry.fact for entry in read(venue.truth)]
    told = [
        fact.fault if isinstance(fact, Disturbed) else fact.status
        for fact in facts
        if (isinstance(fact, Disturbed) and trader.address in fact.detail)
        or (isinstance(fact, OrderChanged) and fact.user == trader.address)
    ]
    started_and_struck = ["external_order"] * 2, ["external_cancel"] * 2
    assert told == [*started_and_struck[0], "open", *started_and_struck[1], "canceled"]
