#!/usr/bin/env python3
"""Convert recorded CSV days to Parquet: `python3 scripts/csv_to_parquet.py [--all] [--coin BTC] …` (--help)."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ROOT / ".venv" / "bin" / "python"

sys.path.insert(0, str(ROOT))
try:
    from services.converter.convert import main
except ModuleNotFoundError as error:
    if PYTHON.exists() and Path(sys.prefix).resolve() != PYTHON.parents[1].resolve():
        os.execv(PYTHON, [str(PYTHON), *sys.argv])
    sys.exit(f"error: {error.name} is not installed; run ./start_mm_bot.sh once, it sets up {PYTHON.parents[1]}")

if __name__ == "__main__":
    sys.exit(main(prog="csv_to_parquet.py"))
