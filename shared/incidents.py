"""What happened to the bot itself, kept for good: `data/state/incidents.jsonl`, one line each.

Streams forget and logs rotate, but the gates ask for five days: was there a halt, was a stall recovered from,
under which settings and code did each run trade? Several processes append, one line at a time.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from shared import json_lines
from shared.errors import DataError

Kind = Literal[
    "start", "stop", "halt", "resume", "stall", "stall_recovered", "service_restarted", "dark_fill",
    "ledger_mismatch", "invariant", "recording_stopped", "recording_resumed",
]  # fmt: skip
FILE = Path("state") / "incidents.jsonl"
"""In the data folder."""


class Incident(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """(`kind`, `time_ms`, `text`) is unique. `fields` of a `start`: venue, mode, configuration and code (as
    `shared.confirmation` hashes them), coins; of a `stall_recovered`: stall_ms, reconciled_ms, quoting_ms."""

    time_ms: int
    kind: Kind
    run_id: str = ""
    text: str = ""
    fields: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, int, str]:
        return self.kind, self.time_ms, self.text


def append(data_dir: Path, incident: Incident) -> None:
    """Durable when this returns; a torn end that a crash has left goes.

    Raises:
        OSError: as the system says it; nothing is written then.
    """
    json_lines.append(data_dir / FILE, msgspec.json.encode(incident) + b"\n")


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


def newest(data_dir: Path) -> list[Incident]:
    """The last thousands; lines that are no incidents are left out.

    Raises:
        OSError: as the system says it.
    """
    try:
        with (data_dir / FILE).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - json_lines.TAIL_BYTES))
            lines = file.read().split(b"\n")[1 if size > json_lines.TAIL_BYTES else 0 : -1]
    except FileNotFoundError:
        return []
    return [incident for line in lines if (incident := _decoded(line)) is not None]


def _decoded(line: bytes) -> Incident | None:
    try:
        return msgspec.json.decode(line, type=Incident)
    except (msgspec.DecodeError, UnicodeError):
        return None
