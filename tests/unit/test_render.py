"""The same answer in three forms: readable, complete, and harmless whatever the names hold."""

import io
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from analysis.answer import Answer
from analysis.estimates import Estimate, Judgement
from analysis.render import machine, page, terminal, words
from analysis.tables import Column, Section, Table
from tests.fixtures.answers import GO, NO_GO, NOT_ENOUGH, answer, section

COINS = tuple(f"COIN{i}" for i in range(30))


def _shown(made: Answer, width: int = terminal.WIDTH, colour: bool = False) -> str:
    written = io.StringIO()
    system = "truecolor" if colour else None
    terminal.show(made, Console(file=written, width=width, force_terminal=colour, color_system=system))  # type: ignore[arg-type]
    return written.getvalue()


@pytest.mark.parametrize(
    ("made", "written"),
    [
        (Estimate(1.234, 0.98, 1.505, 50, 20.0), "1.23 [0.98, 1.50]"),
        (Estimate(12345.6, 12000.0, None, 50, 20.0), "12,345.60 [12,000.00, –]"),
        (Estimate(1.234, None, None, 3, 1.0), "1.23 [–]"),
        (Estimate(-0.001, -0.2, 0.2, 3, 1.0), "0.00 [-0.20, 0.20]"),
        (Estimate(None, None, None, 0, 0.0), "–"),
        (Estimate(float("nan"), None, None, 0, 0.0), "–"),
        (12345, "12,345"),
        (1234.5, "1,234.50"),
        (None, "–"),
        (NO_GO, "NO-GO"),
        ("BTC", "BTC"),
    ],
)
def test_how_a_cell_is_written(made: object, written: str) -> None:
    assert words.cell(made, Column("x")) == written  # type: ignore[arg-type]


def test_the_verdicts_come_first_and_every_line_fits() -> None:
    made = answer(
        section("gate1", GO, COINS), section("gate2", NOT_ENOUGH), section("volatility", None), coins=COINS
    )
    lines = _shown(made).splitlines()
    assert max(map(len, lines)) <= terminal.WIDTH
    top = "\n".join(lines[: lines.index("") + 4])
    assert "GO" in top and "NOT ENOUGH DATA" in top and "2 h 39 min more." in top
    body = "\n".join(lines)
    assert all(f"{coin} " in body for coin in COINS) and "0.091 [0.050, 0.130]" in body


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_a_wide_table_goes_on_below_with_its_first_column(width: int) -> None:
    columns = (Column("coin"), *(Column(f"edge at {i}", "bps") for i in range(12)))
    rows = tuple(
        (coin, *(Estimate(i + 0.5, i + 0.1, i + 0.9, 100, 10.0) for i in range(12))) for coin in COINS[:3]
    )
    wide = Section("gate1", "Wide", GO, {}, (Table("Edges", columns, rows),))
    lines = _shown(answer(wide), width).splitlines()
    assert max(map(len, lines)) <= width
    found = "\n".join(lines)
    for i in range(12):
        assert found.count(f"{i}.50 [{i}.10, {i}.90]") == 3
    assert found.count("COIN2") == sum(line.startswith("coin") for line in lines) > 1


def test_a_long_table_is_told_and_not_printed() -> None:
    rows = tuple((f"COIN{i}", i) for i in range(terminal.MOST_ROWS + 1))
    long = Section("gate1", "Long", GO, {}, (Table("Curve", (Column("coin"), Column("fills")), rows),))
    shown = _shown(answer(long))
    assert "61 rows: --asset COIN" in shown and "COIN17" not in shown
    assert "COIN17" in page.html(answer(long)) and b"COIN17" in machine.encode(answer(long))


def test_colours_are_for_terminals() -> None:
    assert "\x1b[" in _shown(answer(), colour=True)
    assert "\x1b" not in _shown(answer())


def test_samples_of_one_size_get_a_column_and_others_stand_with_their_number() -> None:
    def table(*sizes: int) -> Table:
        return Table(
            "T",
            (Column("coin"), Column("a"), Column("b")),
            (("BTC", *(Estimate(1.0, 0.5, 1.5, n, n) for n in sizes)),),
        )

    assert words.with_samples(table(50, 50)).columns[-1].name == "n"
    assert words.with_samples(table(50, 50)).rows[0][-1] == 50
    assert words.with_samples(table(50, 60)).columns == table(50, 60).columns
    shown = _shown(answer(Section("gate1", "T", GO, {}, (table(50, 60),))))
    assert "n=50" in shown and "n=60" in shown


def test_json_holds_everything() -> None:
    made = answer(section("gate1", NOT_ENOUGH))
    read = json.loads(machine.encode(made))
    (found,) = read["sections"]
    assert found["judgement"] == NOT_ENOUGH._asdict() and set(found["by_coin"]) == {"BTC", "ETH"}
    row = found["tables"][0]["rows"][0]
    assert row["spread"] == {
        "value": 0.0914,
        "low": 0.05,
        "high": 0.13,
        "n": 4026,
        "n_effective": 36.5,
        "level": 0.95,
    }
    assert row["edge"] is None  # not a number
    assert found["tables"][0]["columns"][2] == {"name": "spread", "unit": "bps"}
    assert len(found["charts"][0]["series"][0]["low"]) == 24
    assert read["about"]["hours"] == {"BTC": 0.35, "ETH": 0.35}


class _Page(HTMLParser):
    """Tags that are open, and what loads something from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)
        self.loads += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_needs_nothing_else_and_names_stay_text() -> None:
    made = answer(section("gate1", GO, COINS), section("gate2", NOT_ENOUGH), coins=COINS)
    text = page.html(made)
    parsed = _Page(text)
    assert not parsed.open
    assert all(link.startswith("#") for link in parsed.loads) and "@import" not in text and "url(http" not in text
    assert parsed.tags.count("script") == 1 and "b" not in parsed.tags and "i" not in parsed.tags
    assert parsed.tags.count("svg") == 8
    for word in ("NOT ENOUGH DATA", "2 h 39 min more.", "n = 4,026", "0.091 [0.050, 0.130]", "UTC hour", "abc123"):
        assert word in text
    identities = re.findall(r' id="([^"]+)"', text)
    assert len(identities) == len(set(identities))
    assert page.html(made) == text


@settings(deadline=None, max_examples=40)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30))
def test_any_name_and_reason_can_be_shown(name: str) -> None:
    judged = Judgement("NO-GO", name)
    made = answer(Section("gate1", name, judged, {name: judged}, (Table(name, (Column(name),), ((name,),)),)))
    _shown(made)
    _Page(page.html(made))
    assert json.loads(machine.encode(made))["sections"][0]["title"] == name


def test_the_exit_code_says_whether_every_asked_gate_is_go() -> None:
    assert answer(section("gate1", GO), section("spread", None)).exit_code == 0
    assert answer(section("gate1", GO), section("gate2", NOT_ENOUGH)).exit_code == 2
    assert answer(section("gate1", NO_GO)).exit_code == 2
    assert answer(section("gate1", GO), section("gate2", NO_GO)).headline == "gate 1: GO; gate 2: NO-GO"
