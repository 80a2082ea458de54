"""`market_maker doctor`: everything that can keep the bot from running, one line each; with MM_SHADOW_MODE=false
all that a live start looks at before it asks."""

import msgspec

from market_maker import machine
from market_maker.config import LauncherConfig
from market_maker.deployment import running
from market_maker.findings import line
from shared.config import load


def examine(as_json: bool = False) -> int:
    """Print all findings, of the bot that runs if one does, live those of a live start; 0 unless one of them is a
    failure."""
    config = load(LauncherConfig)
    if not config.shadow_mode:
        return _examine_live(as_json)
    findings = tuple(machine.look(config, running(config.run_dir)))
    passed = all(finding.verdict != "FAIL" for finding in findings)
    if as_json:
        print(msgspec.json.encode({"passed": passed, "findings": findings}).decode())
    else:
        print("\n".join(line(finding) for finding in findings))
    return 0 if passed else 1


def _examine_live(as_json: bool) -> int:
    """What a live start would show before it asks."""
    from market_maker.live import preflight
    from market_maker.options import Options, check

    found = preflight.examine(check(Options()), ())
    if as_json:
        told = {"passed": found.passed, "findings": found.findings, "losses": found.losses}
        print(msgspec.json.encode(told).decode())
    else:
        print("\n".join(preflight.lines(found)))
    return 0 if found.passed else 1
