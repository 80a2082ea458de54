"""The rules that people read of are the rules that there are."""

from pathlib import Path

from services.guard.checks.table import rules
from services.guard.config import GuardConfig
from services.guard.rules import Rule

DOC = Path(__file__).resolve().parents[2] / "docs" / "risk.md"


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
