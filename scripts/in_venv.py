"""Lets a script of this folder be started by any Python: it goes on in `.venv`, where the packages are."""

import os
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"


def load(module: str) -> ModuleType:
    """The project's module. Without its packages the script starts anew in `.venv`, or ends with the remedy."""
    sys.path.insert(0, str(ROOT))
    try:
        import duckdb  # noqa: F401  (the commands themselves load it late)

        return import_module(module)
    except ModuleNotFoundError as error:
        python = VENV / "bin" / "python"
        if python.exists() and Path(sys.prefix).resolve() != VENV.resolve():
            os.execv(python, [str(python), *sys.argv])
        sys.exit(f"error: {error.name} is not installed; run ./start_mm_bot.sh once, it sets up {VENV}")
