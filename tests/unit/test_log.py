"""A line is one line: UTC, level, service, coin, tag, text, fields."""

import io
import json
import logging
import os
import re
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.log import Lines, Log, parse, render
from shared.messages import Event, Severity

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


texts = st.text(st.characters(exclude_categories=["Cs"]))
words = st.from_regex(r"[A-Za-z][A-Za-z0-9:_-]{0,9}", fullmatch=True)
events = st.builds(
    Event, service=words, level=st.sampled_from(get_args(Severity)), coin=st.just("") | words, text=texts,
    tag=st.just("") | st.from_regex(r"[A-Z][A-Z ]{0,9}", fullmatch=True), time_ms=st.integers(0, 4 * 10**12),
    fields=st.dictionaries(words, st.integers() | texts, max_size=2),
)  # fmt: skip


@given(events)
def test_no_text_breaks_a_line_or_steers_a_terminal(event: Event) -> None:
    line = render(event)
    assert len(line.splitlines()) == 1 and "\x1b" not in line
    assert re.sub(r"\x1b\[[\d;]*m", "", render(event, coloured=True)) == line
    assert "\n" not in render(event, "json")


@given(events)
def test_a_json_line_has_its_six_keys_first_whatever_the_fields_are_called(event: Event) -> None:
    parsed = json.loads(render(event, "json"))
    assert list(parsed)[:6] == ["time", "level", "service", "coin", "tag", "text"]
    assert (parsed["text"], parsed["tag"], parsed["coin"]) == (event.text, event.tag, event.coin)


@given(events)
def test_what_is_read_back_is_what_was_written(event: Event) -> None:
    again = parse(render(event, "json"))
    assert again is not None and render(again, "json") == render(event, "json")
    if not event.tag and event.text.startswith("["):
        return  # looks like a tag to everybody
    plain = parse(render(event))
    assert plain is not None and render(plain) == render(event)
    assert (plain.service, plain.coin, plain.tag, plain.time_ms) == (
        event.service, event.coin, event.tag, event.time_ms,
    )  # fmt: skip


@pytest.mark.parametrize("line", ["", "{", "{}", "[1]", '{"time":"now"}', "Traceback (most recent call last):"])
def test_the_lines_of_others_are_none_of_ours(line: str) -> None:
    assert parse(line) is None


def test_real_money_looks_like_nothing_else() -> None:
    red, cyan = (render(Event(tag=f"{mode} FILL", text=""), coloured=True) for mode in ("LIVE", "SHADOW"))
    assert "\x1b[1;97;41m[LIVE FILL]" in red and "\x1b[1;36m[SHADOW FILL]" in cyan


def test_what_a_library_complains_of_is_one_line_with_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    Log("guard", "info", "json")
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    parsed = json.loads(capsys.readouterr().out)
    assert (parsed["level"], parsed["tag"]) == ("error", "asyncio")
    assert parsed["traceback"].startswith("Traceback") and parsed["traceback"].endswith("ValueError: a\nb")
