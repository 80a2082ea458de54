"""Is the account there, and may both keys trade for it? The venue is asked, as a live start does."""

from analysis.estimates import Judgement
from market_maker.gates.items import Item
from market_maker.live import preflight
from market_maker.options import Checked
from shared.errors import ConfigError
from shared.secrets import ADDRESS, EXECUTOR_KEY, WATCHDOG_KEY, read_address, read_key

NEEDED = ("account", "key", "watchdog")


def item(checked: Checked, data_venue: str) -> Item:
    return Item(
        "gate5", "keys tested", "the account answers, and both keys are its agents", "all good",
        _judged(checked, data_venue), "MM_SHADOW_MODE=false market_maker doctor",
    )  # fmt: skip


def _judged(checked: Checked, data_venue: str) -> Judgement:
    remedy = f"set {ADDRESS}, {EXECUTOR_KEY.file} and {WATCHDOG_KEY.file}: docs/live.md"
    if checked.launcher.venue != data_venue:
        reason = f"not tested: the data are of venue {data_venue}, and MM_VENUE is {checked.launcher.venue}"
        return Judgement("NOT ENOUGH DATA", reason, f"MM_VENUE={data_venue}")
    try:
        read_address()
        for source in (EXECUTOR_KEY, WATCHDOG_KEY):
            read_key(source)
    except ConfigError as error:
        return Judgement("NOT ENOUGH DATA", f"not tested: {error}", remedy)
    findings = preflight.key_findings(checked)
    faults = [f"{found.subject}: {found.text}" for found in findings if found.verdict == "FAIL"]
    if any(found.subject == "venue" and found.verdict == "FAIL" for found in findings):
        return Judgement("NOT ENOUGH DATA", f"not tested: {faults[0]}", "a venue that answers")
    if faults:
        return Judgement("NO-GO", "; ".join(faults))
    good = {found.subject: found.text for found in findings if found.verdict == "ok"}
    if missing := [name for name in NEEDED if name not in good]:
        return Judgement("NOT ENOUGH DATA", f"nothing is known of {', '.join(missing)}", remedy)
    return Judgement("GO", f"{good['account']}: {good['key']}; watchdog {good['watchdog']}")
