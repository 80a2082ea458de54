"""Halted or not: `mm:halt` as the guard knows it, and the commands that change it.

The key in Redis is the truth across restarts; this object is its only regular writer. A halt stays until a
`resume` that was given after it: a `resume` delivered once more must not clear what came later.
"""

from collections.abc import Iterable
from typing import ClassVar

from shared.messages import Command, Event, HaltState, Message
from shared.recent import Recent

REMEMBERED = 1000
OWN_ECHO_MS = 1000
"""For so long a reading of the key may have been under way that began before we changed it."""


class Halt:
    """Every method answers with the messages that make its decision true."""

    remembers: ClassVar = {"resumed_ms": int, "forgiven_ms": int, "halted": bool}

    def __init__(self) -> None:
        self.state = HaltState(halted=False)
        self.resumed_ms = 0
        """Time of the last `resume`: halts given before it are over."""
        self.forgiven_ms = 0
        """Time of the last `resume` that ended a halt; the daily budget counts from there."""
        self._may_be_halted = True
        self._changed_ms = -OWN_ECHO_MS
        self._cleared: HaltState | None = None
        self._handled = Recent(REMEMBERED)

    @property
    def halted(self) -> bool:
        return self.state.halted

    @halted.setter
    def halted(self, before: bool) -> None:
        """As it was where the commands begin that are restored."""
        self._may_be_halted = before

    def restore(self, command: Command) -> None:
        """A command of before this life: a `resume` has ended a halt, if there may have been one."""
        if command.action == "halt":
            self._may_be_halted = True
        elif command.action == "resume":
            self.resumed_ms = max(self.resumed_ms, command.time_ms)
            if self._may_be_halted:
                self.forgiven_ms = max(self.forgiven_ms, command.time_ms)
            self._may_be_halted = False

    def on_state(self, now_ms: int, state: HaltState) -> Iterable[Message]:
        """What the key holds. Another service may set it when a promise of ours is broken."""
        outdated = state == self._cleared if state.halted else self.state.halted
        if outdated and now_ms - self._changed_ms < OWN_ECHO_MS:
            return
        if self.state.halted and not state.halted:
            yield self.state
            text = "mm:halt vanished without `market_maker resume`. Written again."
            yield Event(level="error", tag="HALT", text=text)
            return
        if state.halted and not self.state.halted:
            yield Event(level="error", tag="HALT", text=f"Halted by {state.who}: {state.reason}")
        self.state = state

    def on_command(self, now_ms: int, command: Command) -> Iterable[Message]:
        """Halt and resume, each command once. A bus that lost its readers' positions delivers all of them again,
        so a halt from before the last `resume` is over."""
        if not self._handled.add(command.id):
            return
        if command.action == "halt" and not self.state.halted and command.time_ms >= self.resumed_ms:
            yield self._set(now_ms, command.reason, command.who)
            yield Event(level="error", tag="HALT", text=f"Halted by {command.who}: {command.reason}")
        elif command.action == "resume":
            self.resumed_ms = max(self.resumed_ms, command.time_ms)
            if command.time_ms >= self.state.since_ms:
                ended = self.state
                if ended.halted:
                    self.forgiven_ms = command.time_ms
                yield self._clear(now_ms)
                yield Event(
                    level="warning",
                    tag="HALT",
                    text=f"Resumed by {command.who}.",
                    time_ms=command.time_ms,
                    fields={"halted_ms": ended.since_ms, "halt": f"{ended.who}: {ended.reason}"}
                    if ended.halted
                    else {},
                )

    def stop(self, now_ms: int, reason: str, line: str) -> Iterable[Message]:
        """The guard's own halt, with the line that says why."""
        if self.state.halted:
            return
        command = Command(id=f"guard-halt-{now_ms}", action="halt", who="guard", reason=reason, time_ms=now_ms)
        self._handled.add(command.id)
        yield self._set(now_ms, reason, "guard")
        yield command
        yield Event(level="error", tag="", text=line)

    def _set(self, now_ms: int, reason: str, who: str) -> HaltState:
        self.state = HaltState(halted=True, reason=reason, who=who, since_ms=now_ms)
        self._changed_ms = now_ms
        return self.state

    def _clear(self, now_ms: int) -> HaltState:
        """Written also where we know of no halt, should the key have outlived an earlier attempt."""
        self._cleared = self.state if self.state.halted else None
        self.state, self._changed_ms = HaltState(halted=False), now_ms
        return self.state
