"""The evidence file: only what this installation wrote, as it wrote it, counts."""

from hashlib import sha256
from pathlib import Path
from shutil import copytree

import msgspec
import pytest

from market_maker.live.gates import (
    DOCUMENTS,
    FILE,
    GATES,
    Evidence,
    GateResult,
    Statement,
    read_evidence,
    summary,
    write_evidence,
)
from shared.confirmation import Confirmation, seal_as, sealed_as
from shared.confirmation import Subject as Trading
from shared.confirmation import write as write_confirmation
from shared.errors import ConfigError

NOW_MS = 1_790_000_000_000
GREEN = Evidence(
    made_ms=NOW_MS,
    until_ms=NOW_MS + 1,
    configuration="c",
    code="d",
    venue="sim",
    account="0xabc",
    gates={gate: GateResult("GO", "n=1000") for gate in GATES},
    statements=(Statement(name="loss", text="$50.00", given=True, time_ms=NOW_MS, account="0xabc"),),
)
DOCUMENT = b'{"verdict":"GO"}'


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_evidence(tmp_path / "data", tmp_path / "live", GREEN, DOCUMENT)
    return tmp_path / "data"


def test_it_is_read_as_written_and_names_the_document_with_its_digest(data: Path, tmp_path: Path) -> None:
    evidence = read_evidence(data, tmp_path / "live")
    assert evidence is not None
    assert evidence.document == "2026-09-21T141320Z.json"
    assert (data / DOCUMENTS / evidence.document).read_bytes() == DOCUMENT
    assert evidence.document_sha256 == sha256(DOCUMENT).hexdigest()
    assert msgspec.structs.replace(evidence, document="", document_sha256="") == GREEN


def test_where_none_was_made_there_is_none(tmp_path: Path) -> None:
    assert read_evidence(tmp_path, tmp_path / "live") is None and not (tmp_path / "live").exists()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"verdict":"GO","reason":"n=1000"}}', b'"verdict":"GO","reason":"n=9999"}}'),
        (b'"venue":"sim"', b'"venue":"hyperliquid"'),
        (b'"configuration":"c"', b'"configuration":"x"'),
        (str(NOW_MS + 1).encode(), str(NOW_MS + 10**9).encode()),
        (b'"seal":"', b'"seal":"0'),
    ],
)
def test_edited_it_is_nothing(data: Path, tmp_path: Path, old: bytes, new: bytes) -> None:
    content = (data / FILE).read_bytes()
    assert content.count(old) == 1
    (data / FILE).write_bytes(content.replace(old, new))
    with pytest.raises(ConfigError, match="was edited, or not written by this installation; market_maker gates"):
        read_evidence(data, tmp_path / "live")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"gates": {"gate1": true}}', b"\xff", b'{"evidence":{},"seal":""}']
)
def test_anything_else_is_no_evidence(data: Path, tmp_path: Path, content: bytes) -> None:
    (data / FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=r"is no evidence of gates \(.*; market_maker gates makes new evidence"):
        read_evidence(data, tmp_path / "live")


def test_without_a_seal_as_it_used_to_be_written_by_hand(data: Path, tmp_path: Path) -> None:
    (data / FILE).write_bytes(msgspec.json.encode(GREEN))
    with pytest.raises(ConfigError, match="is no evidence of gates"):
        read_evidence(data, tmp_path / "live")


def test_from_another_checkout_or_a_copy_of_this_one_it_is_nothing(data: Path, tmp_path: Path) -> None:
    for elsewhere in ("never-made", "other", "copy"):
        if elsewhere == "other":
            write_evidence(tmp_path / "data-2", tmp_path / "other", GREEN, DOCUMENT)
        if elsewhere == "copy":
            copytree(tmp_path / "live", tmp_path / "copy")
        with pytest.raises(ConfigError, match="not written by this installation"):
            read_evidence(data, tmp_path / elsewhere)


def test_a_key_that_others_may_read_seals_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "live" / "seal.key").chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        read_evidence(data, tmp_path / "live")


def test_a_seal_fits_its_purpose_and_no_confirmation(tmp_path: Path) -> None:
    """The same key seals both: one must not pass for the other."""
    subject = Trading(account="0xabc", key="0xdef", venue="sim", configuration="c", code="d", boot="b", run="r")
    body = msgspec.json.encode(Confirmation(subject=subject, given_ms=0, expires_ms=1))
    write_confirmation(tmp_path, msgspec.json.decode(body, type=Confirmation))
    genuine = msgspec.json.decode((tmp_path / "confirmation.json").read_bytes())["seal"]
    seal = seal_as("evidence of gates", body, tmp_path)
    assert sealed_as("evidence of gates", body, seal, tmp_path)
    assert not sealed_as("evidence of gates", body, genuine, tmp_path) and seal != genuine
    assert not sealed_as("something else", body, seal, tmp_path)
    assert not sealed_as("evidence of gates", body + b" ", seal, tmp_path)
    assert not sealed_as("evidence of gates", body, "ü", tmp_path)


# ---- the line of `status` ------------------------------------------------------------------------------------


def line(data: Path, code: str = "d", now_ms: int = NOW_MS) -> str:
    return summary(data, data.parent / "live", code, now_ms)


def test_status_says_how_many_gates_are_green_and_how_long_that_holds(data: Path, tmp_path: Path) -> None:
    assert line(data) == (
        "gates: 5 of 5 GO on venue sim, evidence of 2026-09-21 14:13, valid until 2026-09-21 14:13 UTC"
    )
    results = {**GREEN.gates, "gate2": GateResult("NO-GO", "x"), "gate4": GateResult("NOT ENOUGH DATA", "x")}
    write_evidence(data, tmp_path / "live", msgspec.structs.replace(GREEN, gates=results), DOCUMENT)
    assert line(data).startswith("gates: 3 of 5 GO")


def test_status_says_why_evidence_does_not_hold(data: Path, tmp_path: Path) -> None:
    assert "NOT VALID: the evidence of 2026-09-21 was valid until" in line(data, now_ms=NOW_MS + 1)
    assert line(data, code="e").endswith("NOT VALID: the evidence is for other code")
    (data / FILE).write_bytes(b"{}")
    assert "is no evidence of gates" in line(data)
    assert line(tmp_path / "nothing") == "gates: no evidence; market_maker gates makes it"
