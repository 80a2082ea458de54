"""From a passed preflight and typed words to the confirmation that the executor asks for."""

from collections.abc import Sequence
from pathlib import Path

from market_maker.live.terminal import require_typed
from shared.clock import wall_ms
from shared.confirmation import VALID_MS, Confirmation, Subject, require_unused, words, write


def confirm(
    folder: Path, subject: Subject, without: Sequence[str], valid_ms: int = VALID_MS, *, on_stderr: bool = False
) -> Confirmation:
    """Have the words typed and leave the confirmation in `folder`; `on_stderr` as in `require_typed`.

    Raises:
        ConfigError: they were not typed, or not at a terminal; or somebody trades under the one that is there.
    """
    require_typed(words(without), on_stderr=on_stderr)
    require_unused(folder)
    now_ms = int(wall_ms())
    confirmation = Confirmation(
        subject=subject, without=tuple(without), given_ms=now_ms, expires_ms=now_ms + valid_ms
    )
    write(folder, confirmation)
    return confirmation
