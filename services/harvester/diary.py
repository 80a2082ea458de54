"""What happened to the bot itself, told from the lines, halts, heartbeats and statuses on the bus.

A recovery from a stall is complete when the feed is back, the executor has found its books whole and orders rest
again; a feed that came back alone is none.
"""

from collections.abc import Iterable

from services.harvester.runs import Runs
from shared.incidents import Incident, Kind
from shared.messages import AccountStatus, Event, HaltState, Heartbeat, Message, Mode

STALL_LINE, WHOLE_LINE = "🚨 STALL PANIC", "Inventory matches"


class Diary:
    """Says the same incident again when it is told the same again: whoever keeps them knows what it has."""

    def __init__(self, mode: Mode, runs: Runs) -> None:
        self._mode, self._runs = mode, runs
        self._stall_ms: int | None = None
        self._back_ms = self._whole_ms = 0
        self._lives: dict[str, tuple[str, int]] = {}

    def step(self, msg: Message) -> Iterable[Incident]:
        match msg:
            case Event():
                return self._of_line(msg)
            case HaltState(halted=True):
                return (self.incident("halt", msg.since_ms, f"{msg.who}: {msg.reason}"),)
            case Heartbeat():
                return self._of_heartbeat(msg)
            case AccountStatus():
                return self._of_status(msg)
        return ()

    def incident(self, kind: Kind, time_ms: int, text: str, **fields: int) -> Incident:
        run_id = self._runs.at(self._mode, time_ms)
        return Incident(time_ms=time_ms, kind=kind, run_id=run_id, text=text, fields=fields)

    def _of_line(self, line: Event) -> Iterable[Incident]:
        match line:
            case Event(service="guard", tag="HALT") if line.text.startswith("Resumed by"):
                if line.fields:  # of a halt that began and ended while nobody kept a diary
                    yield self.incident("halt", line.fields["halted_ms"], line.fields["halt"])
                yield self.incident("resume", line.time_ms, line.text)
            case Event(service="guard", tag="") if line.text.startswith(STALL_LINE):
                self._stall_ms, self._back_ms, self._whole_ms = line.time_ms, 0, 0
                yield self.incident("stall", line.time_ms, line.text)
            case Event(service="guard", tag="STALL"):
                self._back_ms = line.time_ms
            case Event(service="executor", tag="RECONCILE") if WHOLE_LINE in line.text:
                self._whole_ms = line.time_ms
            case Event(service="executor", tag="DARK FILL"):
                yield self.incident("dark_fill", line.time_ms, line.text)
            case Event(service="executor", tag="TIE OUT", level="error"):
                yield self.incident("ledger_mismatch", line.time_ms, line.text)
            case Event(service="executor", tag="RECONCILE", level="warning") if line.coin:
                yield self.incident("ledger_mismatch", line.time_ms, line.text)
            case Event(tag="INVARIANT"):
                yield self.incident("invariant", line.time_ms, f"{line.service}: {line.text}")

    def _of_heartbeat(self, beat: Heartbeat) -> Iterable[Incident]:
        run_id, started_ms = self._lives.get(beat.service, ("", 0))
        if beat.started_ms <= started_ms:
            return
        self._lives[beat.service] = beat.run_id, beat.started_ms
        if started_ms and beat.run_id == run_id:
            yield Incident(
                time_ms=beat.started_ms, kind="service_restarted", run_id=beat.run_id, text=beat.service
            )

    def _of_status(self, status: AccountStatus) -> Iterable[Incident]:
        stall_ms, back_ms, whole_ms = self._stall_ms, self._back_ms, self._whole_ms
        if stall_ms is None or min(back_ms, whole_ms) < stall_ms or status.time_ms < max(back_ms, whole_ms):
            return
        if any(coin.resting_bids or coin.resting_asks for coin in status.coins):
            self._stall_ms = None
            yield self.incident(
                "stall_recovered",
                back_ms,
                f"Quoting again {(status.time_ms - stall_ms) / 1000:.0f} s after the stall was declared.",
                stall_ms=stall_ms,
                reconciled_ms=whole_ms,
                quoting_ms=status.time_ms,
            )
