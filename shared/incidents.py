"""What happened to the bot itself, kept for good: `data/state/incidents.jsonl`, one line each.

Streams forget and logs rotate, but the gates ask for five days: was there a halt, was a stall recovered from,
under which settings and code did each run trade? Lines are appended, whole, by one write each; several processes
may.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from shared.errors import DataError

Kind = Literal[
    "start", "stop", "halt", "resume", "stall", "stall_recovered", "service_restarted", "dark_fill",
    "ledger_mismatch", "invariant", "recording_stopped", "recording_resumed",
]  # fmt: skip
FILE = Path("state") / "incidents.jsonl"
"""In the data folder."""


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`fields` of a `start`: venue, mode, configuration and code (as `shared.confirmation` hashes them)."""

    time_ms: int
    kind: Kind
    run_id: str = ""
    text: str = ""
    fields: dict[str, Any] = {}


def append(data_dir: Path, incident: Incident) -> None:
    """Durable when this returns.

    Raises:
        OSError: as the system says it.
    """
    file = data_dir / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, msgspec.json.encode(incident) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(data_dir: Path) -> Iterator[Incident]:
    """All of them, in the order in which they were written; a torn last line is left out.

    Raises:
        DataError: a whole line is no incident.
    """
    file = data_dir / FILE
    if not file.exists():
        return
    for number, line in enumerate(file.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        try:
            yield msgspec.json.decode(line, type=Incident)
        except (msgspec.DecodeError, UnicodeError) as error:
            raise DataError(f"{file}, line {number}: no incident ({error}); move the file away") from error
