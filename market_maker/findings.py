"""Lines of an examination: what was looked at, whether it is well, and the remedy."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    verdict: Verdict
    subject: str
    text: str


def line(finding: Finding) -> str:
    """Further lines of a text stand below its first."""
    text = finding.text.replace("\n", f"\n{'':<20}")
    return f"{finding.verdict:<8} {finding.subject:<10} {text}"
