"""The data folder as the monitor sees it: evidence, nightly verdicts, recordings, the disk."""

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from market_maker.live.gates import Evidence, GateResult, write_evidence
from services.monitor.config import MonitorConfig
from services.monitor.core import Backlogs, RedisMemory
from services.monitor.door import MonitorDoor
from services.monitor.files import ANALYSIS, ENOUGH_MS, EVIDENCE, LATELY_MS, SAMPLE_MS, DiskTrend, FilesSeen, look
from shared.bus import Backlog
from shared.data_files import CONVERTED
from shared.errors import BusError
from shared.memory_bus import MemoryBus
from shared.streams import Stream
from tests.fixtures.one_look import OneLook
from tests.unit.test_monitor_core import monitor
from tests.unit.test_monitor_exposition import scrape

MADE_MS = 1_700_000_000_000
DAY_MS = 86_400_000


def shown(seen: FilesSeen, now_ms: float = MADE_MS) -> dict[tuple, float]:
    core = monitor()
    list(core.step(int(now_ms), seen))
    return scrape(core, now_ms)


def test_evidence_as_the_gates_write_it(tmp_path: Path):
    said = {"gate1": "GO", "gate2": "NOT ENOUGH DATA", "gate5": "NO-GO"}
    evidence = Evidence(
        made_ms=MADE_MS, until_ms=MADE_MS + DAY_MS, configuration="c", code="d", venue="sim", account="",
        gates={gate: GateResult(verdict, "for a reason") for gate, verdict in said.items()},
    )  # fmt: skip
    write_evidence(tmp_path, tmp_path / "seal", evidence, b"{}")
    values = shown(look(tmp_path), MADE_MS + 3_600_000)
    assert [values["mm_gate_verdict", gate] for gate in said] == [1, 0, -1]
    assert values["mm_gate_evidence_left_seconds",] == 23 * 3600
    assert values["mm_gate_evidence_timestamp_seconds",] == MADE_MS / 1000
    assert shown(look(tmp_path), MADE_MS + 2 * DAY_MS)["mm_gate_evidence_left_seconds",] == -86_400


def test_nightly_verdicts_as_the_analysis_writes_them(tmp_path: Path):
    judged = {"verdict": "NO-GO", "reason": "", "needs": "", "coins": {"BTC": "GO", "ETH": "NO-GO", "SOL": "GO"}}
    (tmp_path / "state").mkdir()
    (tmp_path / ANALYSIS).write_bytes(
        msgspec.json.encode({"made_ms": MADE_MS, "venue": "sim", "code": "c", "gates": {"gate1": judged}})
    )
    values = shown(look(tmp_path))
    assert (values["mm_analysis_verdict", "gate1"], values["mm_analysis_coins", "gate1"]) == (-1, 2)
    assert values["mm_analysis_timestamp_seconds",] == MADE_MS / 1000


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"evidence": {"made_ms": "x"}}'])
def test_a_file_that_is_none_tells_nothing(tmp_path: Path, content: bytes):
    (tmp_path / "state").mkdir()
    for file in (EVIDENCE, ANALYSIS):
        (tmp_path / file).write_bytes(content)
    seen = look(tmp_path)
    assert seen.evidence is None and seen.analysis is None and seen.disk is not None


def test_a_folder_that_is_not_there_tells_nothing(tmp_path: Path):
    assert look(tmp_path / "gone") == FilesSeen()


def test_the_age_of_a_family_is_that_of_the_newest_day_of_any_coin(tmp_path: Path):
    for coin, day, written_s in (
        ("BTC", "2026-01-02", 500),
        ("BTC", "2026-01-01", 900),
        ("ETH", "2026-01-02", 700),
    ):
        file = tmp_path / "ticks" / coin / f"{day}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (written_s, written_s))
    (tmp_path / "trades" / "BTC").mkdir(parents=True)
    values = shown(look(tmp_path), 705_000)
    assert values["mm_recording_age_seconds", "ticks"] == pytest.approx(5)
    assert ("mm_recording_age_seconds", "trades") not in values


def test_when_everything_was_converted_last(tmp_path: Path):
    assert ("mm_converter_last_success_timestamp_seconds",) not in shown(look(tmp_path), 0)
    mark = tmp_path / CONVERTED
    mark.parent.mkdir()
    mark.touch()
    os.utime(mark, (77, 77))
    assert shown(look(tmp_path), 0)["mm_converter_last_success_timestamp_seconds",] == 77


def filled(*free: int) -> DiskTrend:
    """A sample each ten minutes."""
    trend = DiskTrend()
    for number, left in enumerate(free):
        trend.take(number * SAMPLE_MS, left)
    return trend


def test_how_long_the_disk_lasts_is_told_after_six_hours_of_filling():
    samples = ENOUGH_MS // SAMPLE_MS
    free = [100_000 - number for number in range(samples + 1)]
    assert filled(*free[:-1]).left_s is None
    assert filled(*free).left_s == pytest.approx(free[-1] * SAMPLE_MS / 1000)
    assert filled(*free, 100_000).left_s is None, "it was given back"


def test_a_disk_that_fills_fast_is_told_of_at_once():
    assert filled(1_200).left_s is None
    assert filled(1_300, 1_200).left_s == pytest.approx(12 * SAMPLE_MS / 1000)
    assert filled(1_301, 1_201).left_s is None, "ten minutes say something about the next two hours"


def test_between_two_samples_the_newest_look_counts():
    trend = filled(1_300, 1_200)
    trend.take(SAMPLE_MS + SAMPLE_MS // 2, 1_150)
    assert trend.left_s == pytest.approx(11.5 * SAMPLE_MS / 1000)
    trend.take(SAMPLE_MS + SAMPLE_MS // 2 + 1, 1_300)
    assert trend.left_s is None, "there is room again"


def test_what_was_copied_to_the_disk_once_does_not_fill_it():
    hour = LATELY_MS // SAMPLE_MS
    assert filled(1_000, *[100] * hour).left_s is not None
    assert filled(1_000, *[100] * (hour + 1)).left_s is None


class LostBus(MemoryBus):
    async def backlogs(self, streams: Sequence[Stream], coins: Sequence[str]) -> list[Backlog]:
        raise BusError("Redis is away")


async def test_nothing_waits_on_a_bus_that_does_not_answer(tmp_path: Path):
    door = MonitorDoor(MonitorConfig(data_dir=tmp_path, metrics_port=0))
    inputs = await OneLook(LostBus()).through(door, 2)
    assert Backlogs(()) in inputs and RedisMemory(0.0) in inputs


async def test_the_door_brings_files_and_what_waits_on_the_bus(tmp_path: Path):
    door = MonitorDoor(MonitorConfig(data_dir=tmp_path, metrics_port=0))
    assert {FilesSeen, Backlogs} <= {type(item) for item in await OneLook().through(door, 2)}
