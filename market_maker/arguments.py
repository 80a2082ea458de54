"""What several commands take: paths from where the user stands, and `--json`."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from shared.errors import ConfigError

STARTED_IN = Path.cwd()


def absolute(path: Path | None) -> Path | None:
    """Paths are relative to where the user stands; everything else runs in the project's folder."""
    return None if path is None else (STARTED_IN / path).resolve()


AsJson = Annotated[
    bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")
]


def day(option: str, text: str | None) -> date | None:
    """
    Raises:
        ConfigError: no day.
    """
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: not a day such as 2026-01-31") from None
