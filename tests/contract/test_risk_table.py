"""The rules and reasons that people read of are those that there are."""

from pathlib import Path

from services.guard.checks.table import rules
from services.guard.config import GuardConfig
from services.guard.rules import Rule
from shared.messages import Reason

ROOT = Path(__file__).resolve().parents[2]
DOC, README = ROOT / "docs" / "risk.md", ROOT / "README.md"


def row(rule: Rule) -> str:
    value = getattr(GuardConfig(), rule.limit, None) if rule.limit else None
    number = f" = {value:g}" if value is not None else ""
    limit = f"`{rule.limit}`{number}" if rule.limit else ""
    on = "everything" if rule.scope == "all" else "each coin"
    return (
        f"| `{rule.name}` | {on} | {rule.about.replace('|', '&#124;')} | {rule.level} | {limit} {rule.unit} |"
        f" `{rule.reason}` |"
    )


def test_the_table_of_rules_says_what_the_code_does() -> None:
    text = DOC.read_text()
    told = text.partition("<!-- rules -->\n")[2].partition("<!-- /rules -->")[0].splitlines()[2:]
    assert told == [row(rule) for rule in rules(GuardConfig())]


def test_the_readme_explains_every_reason_that_a_side_may_have() -> None:
    table = README.read_text().partition("## Why a side is not quoting")[2].partition("\n## ")[0]
    assert [reason for reason in Reason if f"`{reason}`" not in table] == []
