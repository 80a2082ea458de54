"""What several commands take: paths from where the user stands, and `--json`."""

from pathlib import Path
from typing import Annotated

import typer

STARTED_IN = Path.cwd()


def absolute(path: Path | None) -> Path | None:
    """Paths are relative to where the user stands; everything else runs in the project's folder."""
    return None if path is None else (STARTED_IN / path).resolve()


AsJson = Annotated[
    bool, typer.Option("--json", help="JSON on standard output, everything else on standard error.")
]
