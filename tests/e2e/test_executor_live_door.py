"""A live service from start to end over real sockets, under faults: its last cancels arrive, and nothing that it
writes anywhere shows the key."""

import asyncio
import logging
import traceback
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.executor.config import ExecutorConfig
from services.executor.live.permit import subject_here
from services.executor.live.wiring import (
    AskOrder,
    AskState,
    Listed,
    OrderFound,
    Outcome,
    Reconnect,
    Send,
    StateRead,
    StreamDown,
    StreamUp,
)
from services.executor.mode import open_door
from services.venue.api.server import VenueServer
from services.venue.faults import kinds
from shared.clock import wall_ms
from shared.confirmation import Confirmation, write
from shared.hyperliquid.actions import CancelByCloid, CancelByCloidWire, OrderWire
from shared.hyperliquid.orders import limit_order
from shared.hyperliquid.replies import Answered, Throttled, Unknown
from shared.memory_bus import MemoryBus
from shared.messages import Event
from shared.runtime import Runtime
from shared.secrets import EXECUTOR_KEY, read_credentials
from shared.service import Service, Started, Stopping, Tick
from shared.streams import EVENTS
from shared.units import floor_sz, round_px
from tests.fixtures.venue_client import alone, new_cloid
from tests.fixtures.venue_sdk import Trader
from tests.fixtures.venue_server import RunningVenue

COIN, DECIMALS = "ETH", 4
ENOUGH = 12
FAULTS = (
    kinds.LoseAnswer(share=0.2, for_s=600),
    kinds.Http429(share=0.2, for_s=600),
    kinds.Http5xx(share=0.2, for_s=600),
    kinds.Drop(count=1),
    kinds.Duplicate(share=0.3, for_s=600),
    kinds.Reject(share=0.2, for_s=600),
)


class Quoting:
    """A core that places an order with every tick, tells what it hears, and cancels all of them at the end."""

    def __init__(self, mark_px: Decimal) -> None:
        self.px = round_px(mark_px * Decimal("0.9"), DECIMALS, "bid")
        self.orders: list[OrderWire] = []
        self.asset = -1
        self.heard: list[Any] = []
        self.number = self.connections = 0

    def step(self, now_ms: int, msg: Any) -> Iterable[Any]:
        if not isinstance(msg, Tick):
            self.heard.append(msg)
            yield Event(level="debug", tag="HEARD", text=repr(msg))
        match msg:
            case Started():
                yield Reconnect("start")
            case Listed(assets=assets):
                self.asset = assets[COIN]
            case StreamUp():
                self.connections += 1
                yield AskState(0)
            case StreamDown():
                yield Reconnect("lost")
            case Tick() if self.asset >= 0 and len(self.orders) < ENOUGH:
                sz = floor_sz(20 / self.px, DECIMALS)
                order = limit_order(self.asset, DECIMALS, "bid", self.px, sz, cloid=new_cloid())
                self.orders.append(order)
                yield self._send(alone(order))
            case Outcome(result=Unknown()):
                yield AskOrder(self.orders[-1].c or "")
            case Stopping():
                cancels = tuple(CancelByCloidWire(order.a, order.c or "") for order in self.orders)
                yield self._send(CancelByCloid(cancels), urgent=True)

    def _send(self, action: Any, *, urgent: bool = False) -> Send:
        self.number += 1
        return Send(self.number, action, urgent)


@pytest.fixture
def logs() -> Iterator[logging.Logger]:
    """The root logger; a service puts a handler of its own there."""
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    yield root
    root.setLevel(before[0])
    root.handlers = before[1]


def confirm(config: ExecutorConfig) -> None:
    """As if the words had been typed for it."""
    credentials = read_credentials(EXECUTOR_KEY)
    subject, now_ms = subject_here(credentials, config.venue, config.url, config.run_id), int(wall_ms())
    write(config.confirmation_dir, Confirmation(subject=subject, given_ms=now_ms, expires_ms=now_ms + 60_000))


async def eventually(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.02)


async def test_a_live_session_leaves_no_order_and_never_shows_its_key(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    logs: logging.Logger,
) -> None:
    with RunningVenue(limits=False) as venue:
        trader = Trader(venue)
        await asyncio.to_thread(trader.exists)
        _, key = await asyncio.to_thread(trader.exchange.approve_agent, "desk")
        file = tmp_path / "agent.key"
        file.touch(mode=0o600)
        file.write_text(key)
        monkeypatch.setenv("HL_PRIVATE_KEY_FILE", str(file))
        monkeypatch.setenv("HL_ADDRESS", trader.address)
        mark_px = venue.do(lambda s: s.world.listings[COIN].px(s.world.listings[COIN].mark_px))
        core, bus = Quoting(mark_px), MemoryBus()
        config = ExecutorConfig(
            shadow_mode=False, venue="sim", venue_url=venue.url, metrics_port=0, log_level="debug",
            request_timeout_s=0.5, run_dir=tmp_path / "run", run_id="run", confirmation_dir=tmp_path / "live",
        )  # fmt: skip
        confirm(config)
        service = Service(
            name="executor", config=ExecutorConfig, core=lambda config: core, door=open_door, metrics_port=0,
            tick_ms=50, writes=(EVENTS,),
        )  # fmt: skip

        def disturb(server: VenueServer) -> None:
            for fault in FAULTS:
                server.faults.start(server.fault_ms(), fault)

        runtime = Runtime(service, config, bus)
        logs.setLevel(logging.DEBUG)
        running = asyncio.create_task(runtime.run())
        try:
            async with asyncio.timeout(10):
                await eventually(lambda: StreamUp(1) in core.heard)
                venue.do(disturb)
                await eventually(lambda: len(core.orders) == ENOUGH and core.connections > 1)
        finally:
            venue.do(lambda server: server.faults.end_all(server.fault_ms()))
            runtime.stop()
            await running
        account = venue.do(lambda server: server.world.accounts.get(trader.address))
        assert account is not None and not account.orders

    results = [heard.result for heard in core.heard if isinstance(heard, Outcome)]
    assert len(results) == core.number, "each request has exactly one outcome"
    assert isinstance(results[-1], Answered)
    assert any(isinstance(result, Unknown | Throttled) for result in results), "the faults were felt"
    assert any(isinstance(heard, StateRead | OrderFound) for heard in core.heard)
    stored = await bus.stored(EVENTS, ())
    texts = [*capfd.readouterr(), repr(stored), repr(core.heard), repr(vars(runtime)), repr(vars(runtime.door))]
    texts += [path.read_text(errors="replace") for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert "HEARD" in texts[0] and len(stored) > ENOUGH
    assert not [text for text in texts if key.removeprefix("0x").lower() in text.lower()]


async def test_an_error_in_the_session_does_not_show_the_key_either(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    logs: logging.Logger,
) -> None:
    """The venue speaks of something else than expected, deep within the door."""
    monkeypatch.setenv("HL_PRIVATE_KEY", "5ca1ab1e" * 8)
    monkeypatch.setenv("HL_ADDRESS", "0x" + "ab" * 20)
    config = ExecutorConfig(
        shadow_mode=False, venue="sim", metrics_port=0, run_dir=tmp_path, run_id="run",
        confirmation_dir=tmp_path / "live",
    )  # fmt: skip
    confirm(config)
    service = Service(
        name="executor", config=ExecutorConfig, core=lambda config: Quoting(Decimal(100)), door=open_door,
        metrics_port=0, writes=(EVENTS,),
    )  # fmt: skip
    runtime = Runtime(service, config, MemoryBus())
    logs.setLevel(logging.DEBUG)

    async def broken(number: int) -> None:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr(runtime.door._stream, "_follow", broken)  # type: ignore[union-attr]
    with pytest.raises(RuntimeError, match="not foreseen") as caught:
        async with asyncio.timeout(8):
            await runtime.run()
    lines = traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    assert "5ca1ab1e" * 4 not in "".join((*lines, *capfd.readouterr()))
