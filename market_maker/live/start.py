"""The way to a live start: everything is looked at and shown, then a person types the words."""

import os
from collections.abc import Callable, Sequence

from market_maker import sizes
from market_maker.live import gates, preflight
from market_maker.live.consent import confirm
from market_maker.options import Checked
from services.executor.live.permit import subject_here
from shared.confirmation import Confirmation, require_unused
from shared.errors import ConfigError, MarketMakerError
from shared.secrets import EXECUTOR_KEY, read_credentials


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
    _require_alone(checked)
    found = preflight.examine(checked, accepted)
    for line in (*sizes.lines(checked.configs), *preflight.lines(found)):
        say(line)
    if not found.passed:
        error = NoEvidence if set(found.failed) <= set(gates.GATES) else ConfigError
        raise error(f"not ready for live trading ({', '.join(found.failed)}): nothing was started")
    executor = checked.configs["executor"]
    subject = subject_here(read_credentials(EXECUTOR_KEY), executor.venue, executor.url, run_id)
    given = confirm(checked.launcher.confirmation_dir, subject, found.without, on_stderr=on_stderr)
    os.environ |= {
        "MM_SHADOW_MODE": "false",
        "MM_CONFIRMED_BOOT": subject.boot,
        "MM_CONFIRMED_TRADING": subject.trading,
    }
    return given


def _require_alone(checked: Checked) -> None:
    """A second start would take the first one's confirmation away.

    Raises:
        ConfigError: a process of another start trades.
    """
    folder = checked.launcher.confirmation_dir
    try:
        require_unused(folder)
    except ConfigError as error:
        raise ConfigError(
            f"{error} (MM_CONFIRMATION_DIR={folder}): stop that start first, with its MM_RUN_DIR and"
            " ./start_mm_bot.sh --stop"
        ) from error
