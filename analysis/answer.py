"""The whole answer of an analysis: what was looked at, and a section for each question."""

from typing import NamedTuple

from analysis.tables import Section

GATES = (1, 2, 3, 4, 5)
GO, NOT_GO = 0, 2


class About(NamedTuple):
    """What the numbers rest on. `hours` of data by coin, holes not counted; `notes`: what was left out, inferred
    or assumed."""

    made_ms: int
    code: str
    source: str
    venue: str
    first_ms: int
    last_ms: int
    hours: dict[str, float]
    fee_tier: int
    notes: tuple[str, ...]


class Answer(NamedTuple):
    about: About
    sections: tuple[Section, ...]

    @property
    def gates(self) -> tuple[Section, ...]:
        return tuple(section for section in self.sections if section.name.startswith("gate"))

    @property
    def exit_code(self) -> int:
        """0 when every gate that was asked is GO."""
        verdicts = {gate.judgement.verdict for gate in self.gates if gate.judgement}
        return GO if verdicts <= {"GO"} else NOT_GO

    @property
    def headline(self) -> str:
        """One line: the gates by verdict."""
        by_verdict: dict[str, list[str]] = {}
        for gate in self.gates:
            if gate.judgement:
                by_verdict.setdefault(gate.judgement.verdict, []).append(gate.name.removeprefix("gate"))
        parts = (
            f"gate{'s' if len(gates) > 1 else ''} {', '.join(gates)}: {verdict}"
            for verdict, gates in by_verdict.items()
        )
        return "; ".join(parts) or "profiles only, no gate was asked"
