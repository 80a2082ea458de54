#!/usr/bin/env python3
"""Convert recorded CSV days to Parquet: `python3 scripts/csv_to_parquet.py [--all] [--coin BTC] …` (--help)."""

import sys

from in_venv import load

if __name__ == "__main__":
    sys.exit(load("services.converter.convert").main(prog="csv_to_parquet.py"))
