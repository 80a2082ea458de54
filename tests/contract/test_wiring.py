"""The wiring in ARCHITECTURE.md is the wiring in code; data streams have one writer; every reader has a source."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from services import SERVICES, load
from shared.streams import ALL, COMMAND, EVENTS, HALT, STATUS, UNIVERSE

ROOT = Path(__file__).resolve().parents[2]
SHARED = {STATUS.name, EVENTS.name, COMMAND.name, HALT.name}
"""Streams that several services may write: health, lines, and what operators and the guard order."""


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """Rows of the wiring table: service -> (reads, writes)."""
    table = (ROOT / "ARCHITECTURE.md").read_text().split("<!-- wiring -->")[1].split("<!-- /wiring -->")[0]
    rows = re.findall(r"^\| (\w+) · mm_(\w+) \| ([^|]*) \| ([^|]*) \|", table, re.MULTILINE)
    assert all(name == container for name, container, _, _ in rows)
    return {name: (set(reads.split()), set(writes.split())) for name, _, reads, writes in rows}


@pytest.mark.parametrize("name", SERVICES)
def test_the_table_says_what_the_code_declares(name: str) -> None:
    service = load(name)
    reads = {stream.name for stream in service.reads}
    writes = {stream.name for stream in service.writes}
    assert documented()[name] == (reads, writes)


def test_the_table_has_no_row_more() -> None:
    assert set(documented()) == set(SERVICES)


def test_a_data_stream_has_one_writer_and_whatever_is_read_is_written() -> None:
    writers = defaultdict(set)
    for name in SERVICES:
        for stream in load(name).writes:
            writers[stream.name].add(name)
    for stream in {stream.name for stream in ALL} - SHARED:
        assert len(writers[stream]) == 1, (stream, writers[stream])
    for name in SERVICES:
        for stream in load(name).reads:
            assert writers[stream.name], (name, stream.name)
    assert writers[UNIVERSE.name] == {"ingestor"}


def test_ports_of_metrics_are_distinct() -> None:
    ports = [load(name).metrics_port for name in SERVICES if load(name).metrics_port]
    assert len(ports) == len(set(ports))
