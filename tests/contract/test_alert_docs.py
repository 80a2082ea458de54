"""docs/alerts.md and the runbooks against the rules and against each other."""

import re
from pathlib import Path

import pytest

from scripts.alert_table import DOCUMENT, GROUPS, rules, written
from services.guard.checks.table import rules as guard_rules
from services.guard.config import GuardConfig
from tests.bench.alert_drill.table import MARKS as SEEN

DOCS = DOCUMENT.parent
PAGES = sorted((DOCS / "runbooks").glob("*.md"))
PARTS = ("**Means.**", "**Urgent?**", "**The bot, by itself.**", "Look:", "Clears:")
GENERIC = {"RuleHalted", "HaltNear", "RuleStopsEverything", "RuleHolds", "RuleFlickers"}
"""They name a rule of the guard, whose section is theirs."""


def sections(page: Path) -> dict[str, str]:
    """Text under each heading, by the heading's anchor."""
    parts = re.split(r"^## (.+)$", page.read_text(), flags=re.MULTILINE)[1:]
    return {title.lower(): text for title, text in zip(parts[::2], parts[1::2], strict=True)}


def test_the_table_is_what_the_rules_say():
    assert written(DOCUMENT.read_text()) == DOCUMENT.read_text(), "run scripts/alert_table.py"


@pytest.mark.parametrize("group", GROUPS)
def test_the_page_of_each_alert_says_what_it_means_how_urgent_it_is_and_what_to_do(group: str):
    for rule in rules(group):
        path, _, anchor = rule["annotations"]["runbook_url"].removeprefix("docs/").partition("#")
        if rule["alert"] in GENERIC:
            assert (path, anchor) == ("runbooks/rules.md", "{{ $labels.rule }}")
            assert rule["alert"].lower() in sections(DOCS / path)
            continue
        text = sections(DOCS / path)[anchor]
        assert anchor == rule["alert"].lower()
        assert all(part in text for part in PARTS) and "```sh" in text, rule["alert"]


def test_each_alert_was_seen_to_fire_and_to_clear_on_the_running_bot():
    """`python -m tests.bench alerts --docs`. `Watchdog` is the one that never ends."""
    begin, end = SEEN
    rows = DOCUMENT.read_text().partition(begin)[2].partition(end)[0].strip().splitlines()[2:]
    seen = set()
    for row in rows:
        _, cause, alert, fires, _, ends, _ = (cell.strip() for cell in row.split("|"))
        assert re.fullmatch(r"\d+ s", fires) and re.fullmatch(r"\d+ s", ends), f"{cause}: {alert}"
        seen.add(alert.split("`")[1])
    assert seen == {rule["alert"] for group in GROUPS for rule in rules(group)} - {"Watchdog"}


def test_every_rule_of_the_guard_has_its_section():
    found = sections(DOCS / "runbooks" / "rules.md")
    assert {rule.name for rule in guard_rules(GuardConfig())} <= found.keys()


def test_no_page_tells_of_an_alert_that_there_is_not():
    told = {anchor for page in PAGES if page.name != "rules.md" for anchor in sections(page)}
    assert told == {rule["alert"].lower() for group in GROUPS for rule in rules(group)} - {
        name.lower() for name in GENERIC
    }


@pytest.mark.parametrize("page", [DOCUMENT, *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        assert other.exists(), target
        assert not anchor or anchor in sections(other), target
