"""The whole venue without sockets on a synthetic clock: books as they stand, and all again from one seed."""

import json
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from services.venue.api import info
from services.venue.api.client import Client
from services.venue.api.limits import IpLimits, switches
from services.venue.config import VenueConfig
from services.venue.exchange.facts import Disturbed, Filled
from services.venue.exchange.requests import read as read_request
from services.venue.faults.scenario import load
from services.venue.market.timeline import Timeline
from services.venue.truth import TruthLog, read
from services.venue.venue import Venue
from tests.fixtures.venue_live import Key, cancel, place, quiet_recording, wire

SCENARIOS = sorted((Path(__file__).parents[2] / "config" / "scenarios").glob("*.toml"))
DATE_MS = 1_790_000_000_000
BLOCK_MS = 70
LENGTH_MS = 62_000


class Stage:
    """A venue, its truth log, its clock, and one client who listens."""

    def __init__(self, truth: Path | None = None, **settings: Any) -> None:
        config = VenueConfig(block_ms=BLOCK_MS, order_delay_ms=70, taker_delay_ms=140, **settings)
        self.truth = TruthLog(truth, print)
        self.venue = Venue(config, Timeline(config), self.truth.note)
        self.heard: list[bytes] = []
        self._nonces, self._numbers = count(DATE_MS), count(1)
        self._limits = IpLimits(switches(False))
        self.connect()
        self.block()

    def connect(self) -> None:
        """The client comes, or comes back."""
        self.client = Client(self._limits, 0.0, next(self._numbers))
        self.venue.joined(self.client)

    def block(self) -> None:
        block_ms = self.venue.next_block_ms()
        self.venue.block(block_ms, DATE_MS + block_ms)
        self.truth.flush()
        self.heard += self.client.queue
        self.client.queue.clear()

    def submit(self, key: Key, action: dict[str, Any]) -> list[Any]:
        """The list gets the reply, and what happens to it on its way back."""
        answers: list[Any] = []
        body = json.dumps(key.signed(action, next(self._nonces))).encode()
        request = read_request(body, is_mainnet=False)
        self.venue.submit(request, lambda reply: answers.extend((reply, self.venue.fate(request))))
        return answers

    def ask(self, kind: str, **fields: Any) -> Any:
        request = info.decode(json.dumps({"type": kind} | fields).encode())
        return self.venue.hub.ask(self._limits, request, 0.0, self.venue.world.now_ms)

    def subscribe(self, kind: str, **fields: Any) -> None:
        message = {"method": "subscribe", "subscription": {"type": kind} | fields}
        self.venue.hub.receive(self.client, json.dumps(message), 0.0, self.venue.world.now_ms)


@pytest.mark.parametrize("source", ["modelled", "quiet"])
def test_a_book_that_is_asked_for_shows_an_order_in_its_own_block(source: str, tmp_path: Path) -> None:
    recorded = {"source": str(quiet_recording(tmp_path))} if source == "quiet" else {}
    stage = Stage(fund=10_000_000, **recorded)
    px = stage.ask("l2Book", coin="BTC")["levels"][0][2]["px"]

    def shown() -> float:
        return sum(
            float(level["sz"]) for level in stage.ask("l2Book", coin="BTC")["levels"][0] if level["px"] == px
        )

    assert 0 < shown() < 100
    answers = stage.submit(Key(), place(wire(0, "buy", px.removesuffix(".0"), "100")))
    while not answers:
        stage.block()
    assert "resting" in answers[0]["response"]["data"]["statuses"][0]
    assert shown() > 100
    assert stage.ask("l2Book", coin="BTC")["time"] == stage.venue.world.now_ms


def play(truth: Path, seed: int) -> list[bytes]:
    """A minute with all faults of all scenarios, three traders and a listener; what the listener heard."""
    stage, chance = Stage(truth, seed=seed), Random(3)
    keys = [Key(number.to_bytes(32, "big")) for number in (1, 2, 3)]
    for scenario in SCENARIOS:
        stage.venue.faults.play(0.0, load(scenario))
    pending: list[list[Any]] = []
    while stage.venue.block_ms < LENGTH_MS:
        if stage.client.closing or not stage.client.subscriptions:
            stage.venue.left(stage.client)
            stage.connect()
            for key in keys:
                stage.subscribe("userFills", user=key.address)
                stage.subscribe("orderUpdates", user=key.address)
            stage.subscribe("bbo", coin="BTC")
            stage.subscribe("l2Book", coin="ETH", fast=True)
        if chance.random() < 0.5:
            key, action = chance.choice(keys), _action(stage, chance)
            pending.append(stage.submit(key, action))
        stage.block()
    stage.truth.close()
    return [*stage.heard, json.dumps(pending).encode()]


def _action(stage: Stage, chance: Random) -> dict[str, Any]:
    asset, coin, sz = chance.choice([(0, "BTC", "0.001"), (2, "ETH", "0.02")])
    if chance.random() < 0.2:
        return cancel(asset, *range(1, 12))
    bids, asks = stage.ask("l2Book", coin=coin)["levels"]
    side, own, far = chance.choice([("buy", bids, asks), ("sell", asks, bids)])
    tif = chance.choice(("Alo", "Alo", "Gtc", "Ioc"))
    level = far[1] if tif == "Ioc" else own[chance.randrange(3)]
    return place(wire(asset, side, level["px"].removesuffix(".0"), sz, tif))


def test_one_seed_and_one_scenario_give_one_truth(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name / "truth.jsonl" for name in ("first", "again", "other"))
    heard = play(first, seed=5)
    assert play(again, seed=5) == heard
    assert again.read_bytes() == first.read_bytes()
    play(other, seed=6)
    assert other.read_bytes() != first.read_bytes()

    facts = [entry.fact for entry in read(first)]
    disturbed = {fact.fault for fact in facts if isinstance(fact, Disturbed)}
    named = {step.fault.__struct_config__.tag for scenario in SCENARIOS for step in load(scenario)}
    assert disturbed == named, "every fault of the scenarios was switched on"
    assert sum(isinstance(fact, Filled) for fact in facts) > 20
