"""`market_maker drill --rules`: prove each rule of the guard, show it, and keep when that was."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from market_maker.config import LauncherConfig
from market_maker.drill.stack import alone
from market_maker.rules_drill.proofs import Proof, prove_all
from shared.clock import wall_ms
from shared.config import load
from shared.rule_proofs import FILE, add_proofs

OK, FAILED = 0, 2


def run(as_json: bool = False) -> int:
    """At the built-in limits and levels: nobody's settings decide whether a rule works."""
    data_dir = load(LauncherConfig).data_dir.resolve()
    with tempfile.TemporaryDirectory(prefix="mm-rules-") as folder, alone(Path(folder)):
        proofs = prove_all()
    proven_ms = int(wall_ms())
    add_proofs(data_dir, {proof.rule: proven_ms for proof in proofs if not proof.failure})
    failed = [proof for proof in proofs if proof.failure]
    if as_json:
        print(json.dumps([asdict(proof) for proof in proofs], indent=1))
    else:
        Console().print(table(proofs))
        verdict = (
            f"{len(failed)} of {len(proofs)} rules FAILED" if failed else f"all {len(proofs)} rules are proven"
        )
        print(f"{verdict}\nkept: {data_dir / FILE}")
    return FAILED if failed else OK


def table(proofs: Sequence[Proof]) -> Table:
    shown = Table("rule", "level", "fired after", "", box=None)
    for proof in proofs:
        after = "never" if proof.after_s is None else f"{proof.after_s:.1f} s"
        shown.add_row(proof.rule, proof.level, after, f"FAILED: {proof.failure}" if proof.failure else "obeyed")
    return shown
