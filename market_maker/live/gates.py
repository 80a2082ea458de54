"""Evidence that live trading may earn: the dated results of the five gates, and what is missing of them.

Without evidence, or with any other verdict than GO, a gate keeps live trading out. A person may accept that, gate
by gate; then the words to type name it.

`market_maker gates` writes the evidence with the seal of this installation (see `shared.confirmation`, with the
same reservation: it keeps out what was edited, written by hand or copied, not the same user).
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from market_maker.findings import Finding
from shared.clock import utc
from shared.confirmation import seal_as, sealed_as
from shared.errors import ConfigError

GATES = {
    "gate1": "spread against adverse selection",
    "gate2": "hours of the day",
    "gate3": "calibrated spreads",
    "gate4": "weekends",
    "gate5": "five days in shadow",
}
OF_THE_ACCOUNT = ("gate5",)
"""Its keys and what its owner says are part of these."""
VALID_MS = 7 * 86_400_000
"""Markets change: older evidence is none."""
FILE = Path("state") / "gates.json"
"""In the data folder: the newest evidence."""
DOCUMENTS = Path("state") / "evidence"
"""In the data folder: the full checklist of each evidence, by time."""
REMEDY = "market_maker gates makes new evidence"
_PURPOSE = "evidence of gates"


class GateResult(msgspec.Struct, frozen=True):
    verdict: Literal["GO", "NO-GO", "NOT ENOUGH DATA"]
    reason: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said at a terminal to what only a person can say."""

    name: str
    text: str
    """As it was shown."""
    given: bool
    """False: asked, and answered in other words."""
    time_ms: int
    account: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, when, and for which configuration and code (as a confirmation has them)."""

    made_ms: int
    until_ms: int
    """Earlier than `VALID_MS` from then where it rests on an older statement."""
    configuration: str
    code: str
    venue: str
    """Of the data."""
    account: str
    """Whose keys were tested; empty: nobody's."""
    gates: Mapping[str, GateResult]
    statements: tuple[Statement, ...] = ()
    document: str = ""
    """Name of the file in `DOCUMENTS` with every number."""
    document_sha256: str = ""


class _Sealed(msgspec.Struct, frozen=True):
    evidence: msgspec.Raw
    seal: str


def read_evidence(data_dir: Path, seal_dir: Path) -> Evidence | None:
    """The newest evidence, made by this installation (`seal_dir`: where confirmations are).

    Raises:
        ConfigError: there is a file, but it is no evidence, or somebody else's, or was edited.
    """
    file = data_dir / FILE
    try:
        sealed = msgspec.json.decode(file.read_bytes(), type=_Sealed)
        evidence = msgspec.json.decode(sealed.evidence, type=Evidence)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        raise ConfigError(f"{file} is no evidence of gates ({error}); {REMEDY}") from error
    if not sealed_as(_PURPOSE, bytes(sealed.evidence), sealed.seal, seal_dir):
        raise ConfigError(f"{file} was edited, or not written by this installation; {REMEDY}")
    return evidence


def write_evidence(data_dir: Path, seal_dir: Path, evidence: Evidence, document: bytes) -> Path:
    """Leave `document` under its date, and the evidence with the seal as the newest; the file of the document.

    Raises:
        OSError: as the system says it.
    """
    name = f"{utc(evidence.made_ms):%Y-%m-%dT%H%M%SZ}.json"
    kept = data_dir / DOCUMENTS / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    _replace(kept, document)
    digest = sha256(document).hexdigest()
    body = msgspec.json.encode(msgspec.structs.replace(evidence, document=name, document_sha256=digest))
    seal = seal_as(_PURPOSE, body, seal_dir)
    _replace(data_dir / FILE, msgspec.json.encode(_Sealed(msgspec.Raw(body), seal)) + b"\n")
    return kept


def _replace(file: Path, content: bytes) -> None:
    fresh = file.with_suffix(".new")
    try:
        fresh.write_bytes(content)
        fresh.replace(file)
    except OSError:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def check_names(names: Collection[str]) -> None:
    """
    Raises:
        ConfigError: somebody accepts a gate that does not exist.
    """
    unknown = [name for name in names if name not in GATES]
    if unknown:
        raise ConfigError(f"--accept-missing {unknown[0]}: unknown; there are {', '.join(GATES)}")


@dataclass(frozen=True)
class Subject:
    """What is to be traded: evidence has to be about the same."""

    venue: str
    configuration: str
    code: str
    account: str
    """Lower case; empty where none is set."""


@dataclass(frozen=True)
class GateCheck:
    """`without`: gates that were accepted although they are not green, in their order."""

    findings: tuple[Finding, ...]
    without: tuple[str, ...]


def check(evidence: Evidence | None, subject: Subject, now_ms: float, accepted: Collection[str]) -> GateCheck:
    """One finding for each gate. Accepting a green gate changes nothing."""
    findings, without = [], []
    for gate, about in GATES.items():
        fault = unusable(evidence, subject, now_ms, gate)
        result = evidence.gates.get(gate) if evidence is not None and fault is None else None
        if result is not None and result.verdict == "GO":
            findings.append(Finding("ok", gate, f"{about}: GO, {result.reason}"))
            continue
        why = f"{result.verdict}, {result.reason}" if result is not None else fault or "not in the evidence"
        if gate in accepted:
            without.append(gate)
            findings.append(Finding("warning", gate, f"{about}: {why}; accepted"))
        else:
            remedy = f"--accept-missing {gate} goes on without it"
            findings.append(Finding("FAIL", gate, f"{about}: {why}; {remedy}"))
    return GateCheck(tuple(findings), tuple(without))


def unusable(evidence: Evidence | None, subject: Subject, now_ms: float, gate: str = "") -> str | None:
    """Why the evidence says nothing about `subject` now; None when it does."""
    if evidence is None:
        return "no evidence; market_maker gates makes it"
    if evidence.venue != subject.venue:
        return f"the evidence is of venue {evidence.venue}, not of {subject.venue}"
    if evidence.configuration != subject.configuration:
        return "the evidence is for another configuration"
    if evidence.code != subject.code:
        return "the evidence is for other code"
    if gate in OF_THE_ACCOUNT and evidence.account != subject.account:
        return f"the evidence is for {evidence.account or 'no account'}, not for {subject.account or 'none'}"
    if now_ms < evidence.made_ms:
        return f"the evidence is of {utc(evidence.made_ms):%Y-%m-%d %H:%M} UTC: the clock has gone back"
    if now_ms >= min(evidence.until_ms, evidence.made_ms + VALID_MS):
        made, until = utc(evidence.made_ms), utc(evidence.until_ms)
        return f"the evidence of {made:%Y-%m-%d} was valid until {until:%Y-%m-%d %H:%M} UTC"
    return None


def summary(data_dir: Path, seal_dir: Path, code: str, now_ms: float) -> str:
    """One line for `status`; whether the settings are still those of the evidence is left to who starts."""
    try:
        evidence = read_evidence(data_dir, seal_dir)
    except ConfigError as error:
        return f"gates: {error}"
    if evidence is None:
        return "gates: no evidence; market_maker gates makes it"
    green = sum(result.verdict == "GO" for result in evidence.gates.values())
    until = utc(evidence.until_ms)
    same = Subject(evidence.venue, evidence.configuration, code, evidence.account)
    fault = unusable(evidence, same, now_ms)
    holds = f"valid until {until:%Y-%m-%d %H:%M} UTC" if fault is None else f"NOT VALID: {fault}"
    about = f"venue {evidence.venue}, evidence of {utc(evidence.made_ms):%Y-%m-%d %H:%M}"
    return f"gates: {green} of {len(GATES)} GO on {about}, {holds}"
