#!/usr/bin/env python3
"""What recorded data say, gate by gate: `python3 scripts/analyze_ticks.py [--coin BTC] [--gate 1] …` (--help).

The same as `market_maker analyze`.
"""

import sys

from in_venv import load

if __name__ == "__main__":
    sys.exit(load("market_maker.cli").main("analyze", "analyze_ticks.py"))
