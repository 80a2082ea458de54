"""Which recorded minutes say something about what would be traded now, and what happened in them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from market_maker.live.gates import Subject
from services import SERVICES
from shared.incidents import Incident

UNKNOWN = "of runs without a start on record, so with unknown settings"
OTHER_SETTINGS = "under another configuration"
HALTED = "halted"


@dataclass(frozen=True)
class Run:
    """One start, as the launcher noted it."""

    run_id: str
    start_ms: int
    venue: str
    mode: str
    configuration: str
    code: str


def runs_of(incidents: Iterable[Incident]) -> dict[str, Run]:
    """By id."""
    starts = (incident for incident in incidents if incident.kind == "start" and incident.run_id)
    return {start.run_id: _run(start) for start in starts}


def _run(start: Incident) -> Run:
    names = ("venue", "mode", "configuration", "code")
    venue, mode, configuration, code = (str(start.fields.get(name, "")) for name in names)
    return Run(start.run_id, start.time_ms, venue, mode, configuration, code)


def left_out(run: Run | None, mode: str, subject: Subject) -> str | None:
    """Why minutes and fills of a run do not count; None when they do. Other code counts: it is listed, and the
    present one has to be tried for some hours anew. The twin of a live session counts as little as its fills."""
    if run is None:
        return UNKNOWN
    if run.venue != subject.venue:
        return f"on venue {run.venue or 'unknown'}"
    if run.mode != "shadow" or mode != "shadow":
        return "of live trading"
    if run.configuration != subject.configuration:
        return OTHER_SETTINGS
    return None


def kill_switches(incidents: Iterable[Incident], runs: Mapping[str, Run], venue: str) -> tuple[int, ...]:
    """Times at which a service halted everything, in any run on this venue or unknown; a halt by the operator is
    no kill switch."""
    return tuple(
        incident.time_ms
        for incident in incidents
        if incident.kind == "halt" and _of(incident, runs, venue) and _by_itself(incident)
    )


def _by_itself(halt: Incident) -> bool:
    """Its text begins with who halted, a service or a person; who is not named counts as a service."""
    who, named, _ = halt.text.partition(": ")
    return not named or who in SERVICES


def _of(incident: Incident, runs: Mapping[str, Run], venue: str) -> bool:
    run = runs.get(incident.run_id)
    return run is None or run.venue == venue


@dataclass(frozen=True)
class Stalls:
    """Feeds that fell silent: how many came back with the account reconciled, and which did not while the run
    went on."""

    recovered: int
    open_ms: tuple[int, ...]


def stalls(incidents: Iterable[Incident], runs: Mapping[str, Run], venue: str) -> Stalls:
    recovered = 0
    waiting: dict[str, int] = {}
    for incident in incidents:
        if not _of(incident, runs, venue):
            continue
        if incident.kind == "stall":
            waiting.setdefault(incident.run_id, incident.time_ms)
        elif incident.kind == "stall_recovered":
            recovered += 1
            waiting.pop(incident.run_id, None)
        elif incident.kind == "stop":
            waiting.pop(incident.run_id, None)
    return Stalls(recovered, tuple(sorted(waiting.values())))
