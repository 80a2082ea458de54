"""The operator's orders to a running bot: halt, resume, cancel-all. They travel as commands on the bus."""

import asyncio
import getpass
import secrets
import sys
from pathlib import Path
from typing import Literal

from market_maker.deployment import bus_url
from market_maker.snapshot import Snapshot, look
from shared.bus import RedisBus
from shared.clock import monotonic_s, wall_ms
from shared.errors import BusError
from shared.messages import Command

Action = Literal["halt", "resume", "cancel_all"]
CONFIRM_WITHIN_S = 10.0
ALIVE_WITHIN_MS = 10_000
OK, REFUSED, NOT_RUNNING, TIMED_OUT = 0, 1, 3, 5


def halt(run_dir: Path, reason: str) -> int:
    """Stop quoting everywhere and cancel what rests, until `resume`."""
    return asyncio.run(_order(run_dir, "halt", reason))


def resume(run_dir: Path) -> int:
    """Clear the halt after the operator has typed its reason: nobody resumes what he has not read."""
    try:
        state = asyncio.run(_look(run_dir)).halt
    except BusError as error:
        return _not_running(error)
    if not state.halted:
        print("not halted: nothing to resume")
        return OK
    print(f"Halted by {state.who}: {state.reason}")
    if not sys.stdin.isatty():
        print("resume asks for the reason on a terminal; nothing was changed", file=sys.stderr)
        return REFUSED
    if input("Type the reason to resume quoting: ").strip() != state.reason.strip():
        print("That is not the reason; still halted.", file=sys.stderr)
        return REFUSED
    return asyncio.run(_order(run_dir, "resume", state.reason))


def cancel_all(run_dir: Path, reason: str) -> int:
    """Cancel every resting order once; quoting goes on with the next book."""
    return asyncio.run(_order(run_dir, "cancel_all", reason))


async def _order(run_dir: Path, action: Action, reason: str) -> int:
    bus = RedisBus(bus_url(run_dir))
    try:
        before = await look(bus, wall_ms())
        if not _alive(before):
            print("not running: no service has been heard of lately", file=sys.stderr)
            return NOT_RUNNING
        command_id = f"cli-{int(wall_ms())}-{secrets.token_hex(4)}"
        await bus.publish(
            [Command(id=command_id, action=action, who=getpass.getuser(), reason=reason, time_ms=int(wall_ms()))]
        )
        return await _confirm(bus, action, before)
    except BusError as error:
        return _not_running(error)
    finally:
        await bus.close()


async def _confirm(bus: RedisBus, action: Action, before: Snapshot) -> int:
    """Wait until the effect is visible: the halt state, or cancels counted by the executor."""
    deadline_s = monotonic_s() + CONFIRM_WITHIN_S
    while monotonic_s() < deadline_s:
        await asyncio.sleep(0.1)
        now = await look(bus, wall_ms())
        if action == "halt" and now.halt.halted and not _resting(now):
            print(f"halted: {now.halt.reason}; no order rests")
            return OK
        if action == "resume" and not now.halt.halted:
            print("resumed")
            return OK
        if action == "cancel_all" and _canceled(now) >= _canceled(before) + _resting(before):
            print(f"cancelled {_canceled(now) - _canceled(before)} orders")
            return OK
    print(f"{action} was sent but its effect is not visible after {CONFIRM_WITHIN_S:.0f} s", file=sys.stderr)
    return TIMED_OUT


def _resting(snapshot: Snapshot) -> int:
    return sum(status.resting_bids + status.resting_asks for status in snapshot.quoted.values())


def _canceled(snapshot: Snapshot) -> int:
    return sum(status.orders_canceled for status in snapshot.quoted.values())


def _alive(snapshot: Snapshot) -> bool:
    return any(snapshot.time_ms - beat.time_ms < ALIVE_WITHIN_MS for beat in snapshot.heartbeats.values())


async def _look(run_dir: Path) -> Snapshot:
    bus = RedisBus(bus_url(run_dir))
    try:
        return await look(bus, wall_ms())
    finally:
        await bus.close()


def _not_running(error: BusError) -> int:
    print(f"not running ({error})", file=sys.stderr)
    return NOT_RUNNING
