"""A line is one line: UTC, level, service, coin, tag, text, fields."""

import json

from shared.log import Log, render
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
