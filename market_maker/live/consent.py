"""From a passed preflight and typed words to the confirmation that the executor asks for."""

from collections.abc import Sequence
from pathlib import Path

from market_maker.live.terminal import require_typed
from services import trading_settings
from shared.clock import wall_ms
from shared.config import load_assets
from shared.confirmation import (
    VALID_MS,
    Confirmation,
    Subject,
    boot_id,
    code_version,
    configuration_hash,
    words,
    write,
)


def subject_here(account: str, venue: str, url: str, run_id: str) -> Subject:
    """What this installation would trade, as it is now; the executor finds the same."""
    return Subject(
        account=account.lower(),
        venue=f"{venue} {url}",
        configuration=configuration_hash(trading_settings(), load_assets()),
        code=code_version(),
        boot=boot_id(),
        run=run_id,
    )


def confirm(folder: Path, subject: Subject, without: Sequence[str], valid_ms: int = VALID_MS) -> Confirmation:
    """Have the words typed and leave the confirmation in `folder`.

    Raises:
        ConfigError: they were not typed, or not at a terminal.
    """
    require_typed(words(without))
    now_ms = int(wall_ms())
    confirmation = Confirmation(
        subject=subject, without=tuple(without), given_ms=now_ms, expires_ms=now_ms + valid_ms
    )
    write(folder, confirmation)
    return confirmation
