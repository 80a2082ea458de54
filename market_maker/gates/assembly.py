"""The whole checklist, gate by gate, and the evidence that it becomes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from analysis.estimates import Judgement, Verdict
from analysis.tables import Section
from market_maker.gates.items import Item, worst
from market_maker.gates.shadow import Shadow
from market_maker.live.gates import GATES, VALID_MS, Evidence, GateResult, Statement, Subject
from shared.clock import utc

MARKET_GATES = ("gate1", "gate2", "gate3", "gate4")
ASKED = {
    "gate1": ("positive edge", "a coin's spread pays for adverse selection and fee", "for one coin"),
    "gate2": ("profile", "calm and chaotic hours are known", "of every hour"),
    "gate3": ("half spread that earns", "a half spread with a positive edge, 1 bps at least", "for one coin"),
    "gate4": ("profile", "weekend and weekdays are known apart", "of a weekend"),
}


class Gate(NamedTuple):
    name: str
    items: tuple[Item, ...]

    @property
    def verdict(self) -> Verdict:
        return worst(item.verdict for item in self.items)

    @property
    def reason(self) -> str:
        """All that keeps it from being green, else what it rests on."""
        faults = [item for item in self.items if item.verdict != "GO"]
        if not faults:
            return "; ".join(item.judgement.reason for item in self.items[:2])
        ordered = sorted(faults, key=lambda item: item.verdict != "NO-GO")
        if len(ordered) == 1:
            return f"{ordered[0].name}: {ordered[0].judgement.reason}"
        return f"{len(ordered)} of {len(self.items)} not GO: {', '.join(item.name for item in ordered)}"


class Findings(NamedTuple):
    """Everything that was found, for one set of settings."""

    subject: Subject
    """With the venue of the data."""
    made_ms: int
    gates: tuple[Gate, ...]
    sections: tuple[Section, ...]
    statements: tuple[Statement, ...]
    shadow: Shadow
    span_ms: tuple[int, int] | None
    coins: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        return worst(gate.verdict for gate in self.gates)

    @property
    def green(self) -> int:
        return sum(gate.verdict == "GO" for gate in self.gates)

    @property
    def until_ms(self) -> int:
        """Evidence holds as long as the oldest word in it."""
        return min((self.made_ms, *(said.time_ms for said in self.statements))) + VALID_MS

    @property
    def evidence(self) -> Evidence:
        return Evidence(
            made_ms=self.made_ms,
            until_ms=self.until_ms,
            configuration=self.subject.configuration,
            code=self.subject.code,
            venue=self.subject.venue,
            account=self.subject.account,
            gates={gate.name: GateResult(gate.verdict, gate.reason) for gate in self.gates},
            statements=self.statements,
        )


def grouped(items: Iterable[Item]) -> tuple[Gate, ...]:
    """By gate; a gate without any item has not enough data."""
    listed = list(items)
    return tuple(Gate(name, tuple(item for item in listed if item.gate == name)) for name in GATES)


def market_items(sections: Sequence[Section], why_not: str) -> list[Item]:
    """Gates 1 to 4 as the analysis judges them; `why_not` where it could not look."""
    found = {section.name: section.judgement for section in sections}
    nothing = Judgement("NOT ENOUGH DATA", why_not or "the analysis says nothing", "days of data")
    return [
        Item(gate, *ASKED[gate], found.get(gate) or nothing, f"market_maker analyze --gate {gate[-1]}")
        for gate in MARKET_GATES
    ]


def document(findings: Findings) -> bytes:
    """Everything as JSON, for people and for later."""
    return msgspec.json.format(msgspec.json.encode(plain(findings)), indent=1) + b"\n"


def plain(findings: Findings) -> dict[str, Any]:
    subject, shadow = findings.subject, findings.shadow
    first_ms, last_ms = findings.span_ms or (None, None)
    return {
        "verdict": findings.verdict,
        "gates_go": findings.green,
        "made_ms": findings.made_ms,
        "made": f"{utc(findings.made_ms):%Y-%m-%dT%H:%M:%SZ}",
        "valid_until_ms": findings.until_ms,
        "venue": subject.venue,
        "configuration": subject.configuration,
        "code": subject.code,
        "account": subject.account,
        "data": {"first_ms": first_ms, "last_ms": last_ms, "coins": findings.coins},
        "shadow": {
            "hours": shadow.hours,
            "fills": len(shadow.fills),
            "coins": shadow.coins,
            "minutes_by_code": shadow.codes,
            "minutes_not_counted": shadow.left_out,
        },
        "gates": {gate.name: _gate(gate, findings.sections) for gate in findings.gates},
        "statements": [msgspec.structs.asdict(said) for said in findings.statements],
    }


def _gate(gate: Gate, sections: Sequence[Section]) -> dict[str, Any]:
    by_coin: Mapping[str, Judgement] = next((each.by_coin for each in sections if each.name == gate.name), {})
    return {
        "about": GATES[gate.name],
        "verdict": gate.verdict,
        "reason": gate.reason,
        "items": [_item(item) for item in gate.items],
        "by_coin": {coin: judgement._asdict() for coin, judgement in by_coin.items()},
    }


def _item(item: Item) -> dict[str, Any]:
    measured = item.measured._asdict() if item.measured is not None else None
    return {
        "name": item.name,
        "asked": item.asked,
        "threshold": item.threshold,
        **item.judgement._asdict(),
        "measured": measured and {**measured, "unit": item.unit},
        "more": item.more,
    }
