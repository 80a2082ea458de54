"""The table of docs/alerts.md: what was seen, a row for each alert of each cause."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.alert_drill.cause import Cause
from tests.bench.alert_drill.watching import Expected, Sighting

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "alerts.md"
MARKS = "<!-- seen -->", "<!-- /seen -->"
HEAD = (
    "| cause | alert | fires after | in the log after | ends, after the cause has |",
    "|---|---|---|---|---|",
)


@dataclass
class Played:
    """A cause that has been tried."""

    cause: Cause
    seen: dict[Expected, Sighting]
    began_s: float
    ended_s: float

    @property
    def rows(self) -> list[str]:
        return [f"| {self.cause.what} | {each} | {' | '.join(self._cells(each))} |" for each in self.cause.alerts]

    def _cells(self, alert: Expected) -> tuple[str, str, str]:
        seen = self.seen[alert]
        return (
            "was on already" if seen.on_before else _since(seen.began_s, self.began_s),
            _since(seen.told_s, self.began_s),
            _since(seen.ended_s, self.ended_s),
        )


def _since(at_s: float | None, from_s: float) -> str:
    return "–" if at_s is None else f"{max(0.0, at_s - from_s):.0f} s"


def table(played: Iterable[Played]) -> Iterator[str]:
    yield from HEAD
    for each in played:
        yield from each.rows


def write(played: Iterable[Played], order: tuple[str, ...]) -> None:
    """Put the rows into the document, in the place of earlier ones of the same causes. `order`: all causes."""
    begin, end = MARKS
    text = DOCUMENT.read_text()
    found = re.search(f"{begin}\n(.*?){end}", text, re.DOTALL)
    assert found is not None, f"{DOCUMENT} has the marks"
    rows: dict[str, list[str]] = {}
    for row in found[1].splitlines()[len(HEAD) :]:
        rows.setdefault(row.split(" | ")[0].removeprefix("| "), []).append(row)
    rows |= {each.cause.what: each.rows for each in played}
    kept = [row for what in order for row in rows.get(what, [])]
    text = text[: found.start(1)] + "\n".join((*HEAD, *kept, "")) + text[found.end(1) :]
    DOCUMENT.write_text(text)
