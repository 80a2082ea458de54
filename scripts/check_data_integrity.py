#!/usr/bin/env python3
"""Is the recorded data whole? `python3 scripts/check_data_integrity.py [--fix] [--asset BTC] …` (--help)."""

import sys

from in_venv import load

if __name__ == "__main__":
    sys.exit(load("market_maker.check_data").main())
