#!/usr/bin/env python3
"""What recorded data say, gate by gate: `python3 scripts/analyze_ticks.py [--coin BTC] [--gate 1] …` (--help).

The same as `market_maker analyze`.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"

sys.path.insert(0, str(ROOT))
try:
    import duckdb  # noqa: F401

    from market_maker.cli import main
except ModuleNotFoundError as error:
    if PYTHON.exists() and Path(sys.prefix).resolve() != PYTHON.parents[1].resolve():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    sys.exit(f"error: {error.name} is not installed; run ./start_mm_bot.sh once, it sets up {PYTHON.parents[1]}")

if __name__ == "__main__":
    sys.exit(main("analyze", "analyze_ticks.py"))
