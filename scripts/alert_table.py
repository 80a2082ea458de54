"""Writes the table of docs/alerts.md from the rules: `python scripts/alert_table.py`; `--check` only compares."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "alerts.md"
MARKS = "<!-- alerts -->", "<!-- /alerts -->"
GROUPS = ("halts", "money", "quoting", "market", "live", "watchdog", "machine")


def rules(group: str) -> Iterator[dict[str, Any]]:
    content = yaml.safe_load((ROOT / "prometheus" / "rules" / f"{group}.yml").read_text())
    for each in content["groups"]:
        yield from (rule for rule in each["rules"] if "alert" in rule)


def table() -> str:
    rows = ["| alert | means | when | for | ends after | severity |", "|---|---|---|---|---|---|"]
    for group in GROUPS:
        rows += [_row(rule) for rule in rules(group)]
    return "\n".join(rows)


def memory(expression: str) -> str:
    """How long it goes on when its cause has ended: as far as it looks back."""
    window = re.search(r"increase\(.*\[(\d+m)\]|p99_(\d+m)", expression)
    return "0m" if window is None else window[1] or window[2]


def _row(rule: dict[str, Any]) -> str:
    link = (
        rule["annotations"]["runbook_url"]
        .removeprefix("docs/")
        .replace("{{ $labels.rule }}", rule["alert"].lower())
    )
    expression = rule["expr"].replace("|", "&#124;")
    cells = (
        f"[{rule['alert']}]({link})",
        rule["annotations"]["summary"],
        f"`{expression}`" if "&" not in expression else f"<code>{expression}</code>",
        rule["for"],
        memory(rule["expr"]),
        rule["labels"]["severity"],
    )
    return f"| {' | '.join(cells)} |"


def written(document: str) -> str:
    """The document with the table as the rules have it."""
    begin, end = MARKS
    return re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{table()}\n{end}", document, flags=re.DOTALL)


def main() -> int:
    now = DOCUMENT.read_text()
    if "--check" in sys.argv:
        return int(written(now) != now)
    DOCUMENT.write_text(written(now))
    return 0


if __name__ == "__main__":
    sys.exit(main())
