"""A line is one line: UTC, level, service, coin, tag, text, fields."""

import io
import json
import os

from shared.log import Lines, Log, render
from shared.messages import Event

FILL = Event(
    service="executor", tag="SHADOW FILL", coin="BTC", time_ms=1_771_733_346_055,
    text="BTC bid L1 @ 68020.5 | sz=$12.00", fields={"seq": 3},
)  # fmt: skip


def test_the_pretty_line() -> None:
    assert render(FILL) == (
        "2026-02-22T04:09:06.055Z INFO    executor BTC [SHADOW FILL] BTC bid L1 @ 68020.5 | sz=$12.00 seq=3"
    )


def test_an_event_without_tag_or_coin_and_with_a_line_break_stays_one_line() -> None:
    line = render(Event(service="guard", text="🚨 STALL PANIC: cancel_all.\nmore", tag="", level="error"))
    assert line.endswith("ERROR   guard - 🚨 STALL PANIC: cancel_all. ⏎ more")


def test_the_json_line_holds_the_same() -> None:
    parsed = json.loads(render(FILL, "json"))
    assert (parsed["tag"], parsed["coin"], parsed["seq"]) == ("SHADOW FILL", "BTC", 3)


def test_lines_below_the_level_are_not_written(capsys: object) -> None:
    log = Log("guard", "warning", "pretty")
    log.write(FILL)
    log.write(Event(tag="X", text="seen", level="warning"))
    out = capsys.readouterr().out  # type: ignore[attr-defined]
    assert "seen" in out and "SHADOW" not in out


class Disk(io.StringIO):
    """A stream that refuses while it is full."""

    full = False

    def write(self, text: str) -> int:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_full_disk_costs_lines_and_is_told_afterwards() -> None:
    disk = Disk()
    log = Log("executor", "info", "pretty", disk)
    disk.full = True
    log.write(FILL)
    log.write(FILL)
    disk.full = False
    log.write(FILL)
    log.write(FILL)
    fill, told, again = disk.getvalue().splitlines()
    assert fill == again == render(FILL)
    assert told.endswith("WARNING executor - [LOG] Lines before this one may be missing: writing failed 2 times.")


def test_a_closed_pipe_is_counted_not_raised() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", closefd=False) as out:
        lines = Lines(out)
        assert [lines.write("a"), lines.write("b")] == [False, False]
        assert lines.failures == 2
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), writer)  # so that closing has somewhere to flush to
    os.close(writer)


def test_a_terminal_that_cannot_show_a_character_gets_its_escape() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    assert Lines(out).write("🚨 STALL PANIC")
    assert raw.getvalue() == b"\\U0001f6a8 STALL PANIC\n"
