"""The way to a live start: everything is looked at and shown, then a person types the words."""

import os
from collections.abc import Callable, Sequence

from market_maker.live import gates, preflight
from market_maker.live.consent import confirm
from market_maker.options import Checked
from services.executor.live.permit import subject_here
from shared.confirmation import Confirmation
from shared.errors import ConfigError, MarketMakerError
from shared.secrets import read_address


class NoEvidence(MarketMakerError):
    """Nothing is missing but the evidence of gates, which a person may accept."""


def confirmed(
    checked: Checked, accepted: Sequence[str], run_id: str, say: Callable[[str], None], *, on_stderr: bool
) -> Confirmation:
    """The confirmation of the start `run_id`, in its folder and for the venue as the executor will call it. Every
    process of the start is told in which boot of the machine it was given.

    Raises:
        NoEvidence: gates are not green, and nobody accepts that.
        ConfigError: something else is not ready, or the words were not typed.
    """
    found = preflight.examine(checked, accepted)
    for line in preflight.lines(found):
        say(line)
    if not found.passed:
        error = NoEvidence if set(found.failed) <= set(gates.GATES) else ConfigError
        raise error(f"not ready for live trading ({', '.join(found.failed)}): nothing was started")
    executor = checked.configs["executor"]
    subject = subject_here(read_address(), executor.venue, executor.url, run_id)
    given = confirm(checked.launcher.confirmation_dir, subject, found.without, on_stderr=on_stderr)
    os.environ["MM_CONFIRMED_BOOT"] = subject.boot
    return given
