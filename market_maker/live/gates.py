"""Evidence that live trading may earn: the dated results of the five gates, and what is missing of them.

Without evidence, or with any other verdict than GO, a gate keeps live trading out. A person may accept that, gate
by gate; then the words to type name it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from market_maker.doctor import Finding
from shared.clock import utc
from shared.errors import ConfigError

GATES = {
    "gate1": "spread against adverse selection",
    "gate2": "hours of the day",
    "gate3": "calibrated spreads",
    "gate4": "weekends",
    "gate5": "five days in shadow",
}
VALID_MS = 7 * 86_400_000
"""Markets change: older evidence is none."""
FILE = Path("state") / "gates.json"
"""In the data folder."""


class GateResult(msgspec.Struct, frozen=True):
    verdict: Literal["GO", "NO-GO", "NOT ENOUGH DATA"]
    reason: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, when, and for which configuration and code (as a confirmation has them)."""

    made_ms: int
    configuration: str
    code: str
    gates: Mapping[str, GateResult]


def read_evidence(data_dir: Path) -> Evidence | None:
    """
    Raises:
        ConfigError: there is a file, but it is not evidence.
    """
    file = data_dir / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Evidence)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"{file} is no evidence of gates: {error}") from error


def check_names(names: Collection[str]) -> None:
    """
    Raises:
        ConfigError: somebody accepts a gate that does not exist.
    """
    unknown = [name for name in names if name not in GATES]
    if unknown:
        raise ConfigError(f"--accept-missing {unknown[0]}: unknown; there are {', '.join(GATES)}")


@dataclass(frozen=True)
class GateCheck:
    """`without`: gates that were accepted although they are not green, in their order."""

    findings: tuple[Finding, ...]
    without: tuple[str, ...]


def check(
    evidence: Evidence | None, configuration: str, code: str, now_ms: float, accepted: Collection[str]
) -> GateCheck:
    """One finding for each gate. Accepting a green gate changes nothing."""
    stale = _not_usable(evidence, configuration, code, now_ms)
    findings, without = [], []
    for gate, about in GATES.items():
        result = None if evidence is None or stale else evidence.gates.get(gate)
        if result is not None and result.verdict == "GO":
            findings.append(Finding("ok", gate, f"{about}: GO, {result.reason}"))
            continue
        why = f"{result.verdict}, {result.reason}" if result is not None else stale or "not in the evidence"
        if gate in accepted:
            without.append(gate)
            findings.append(Finding("warning", gate, f"{about}: {why}; accepted"))
        else:
            remedy = f"--accept-missing {gate} goes on without it"
            findings.append(Finding("FAIL", gate, f"{about}: {why}; {remedy}"))
    return GateCheck(tuple(findings), tuple(without))


def _not_usable(evidence: Evidence | None, configuration: str, code: str, now_ms: float) -> str | None:
    if evidence is None:
        return "no evidence"
    if evidence.configuration != configuration:
        return "the evidence is for another configuration"
    if evidence.code != code:
        return "the evidence is for other code"
    if not 0 <= now_ms - evidence.made_ms <= VALID_MS:
        made = f"{utc(evidence.made_ms):%Y-%m-%d}"
        return f"the evidence is of {made}, not of the last {VALID_MS // 86_400_000} days"
    return None
