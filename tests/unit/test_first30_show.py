"""The first half hour on a terminal of any height, and as lines elsewhere."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from market_maker.first30.show import picture, screen_on
from shared.first30.watch import First30
from tests.fixtures.first30 import at, coin


def watch_with_trouble() -> First30:
    watch = First30(at(0))
    watch.take(at(6, coin(resting=0, why_not="no_lease"), halted="guard: drawdown"))
    return watch


def drawn(watch: First30, height: int, silence: str = "") -> str:
    console = Console(width=80, height=height, file=io.StringIO(), record=True)
    console.print(picture(watch, silence, height))
    return console.export_text()


@pytest.mark.parametrize("height", [12, 24, 50])
def test_what_asks_for_attention_is_always_there(height: int) -> None:
    watch = watch_with_trouble()
    text = drawn(watch, height)
    for item in watch.items.values():
        if item.verdict in ("WARN", "RED"):
            assert f" {item.name} " in text
    first_red = next(item for item in watch.items.values() if item.verdict == "RED")
    assert text.split("run: ")[1].strip() == first_red.command
    assert len(text.splitlines()) <= max(height, 24)
    assert ("more that are ok" in text) == (height < 26)


def test_everything_is_shown_where_there_is_room_and_silence_above_all() -> None:
    watch = First30(at(0))
    text = drawn(watch, 50, "cannot read")
    assert "NO NEWS: cannot read" in text.splitlines()[0] + text.splitlines()[1]
    assert all(f" {name} " in text for name in watch.items)


def test_elsewhere_each_change_is_a_line_and_silence_is_told_once() -> None:
    out = io.StringIO()
    watch = First30(at(0))
    with screen_on(out) as screen:
        screen.begin(watch)
        begun = out.getvalue()
        assert all(f"  {item.text}\n" in begun for item in watch.items.values())
        silent = replace(at(1), silent=True)
        changed = watch.take(silent)
        screen.show(watch, changed, "connection refused")
        assert not watch.take(silent)
        screen.show(watch, (), "connection refused")
    after = out.getvalue().removeprefix(begun).splitlines()
    assert len(after) == 1 + len(changed) and sum("connection refused" in line for line in after) == 1
