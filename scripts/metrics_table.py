"""Writes docs/metrics.md from the code: `python -m scripts.metrics_table`; with --check it only compares.

Example:
  .venv/bin/python -m scripts.metrics_table          after a change of shared/metrics.py
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from services import SERVICES, load
from shared.metrics import GRID, WATCHDOG, GridMetric, ServiceMetrics

FILE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
HEAD = """# Metrics

Made by `python -m scripts.metrics_table` from `shared/metrics.py`; do not edit.

The monitor exposes the grid of all coins once, on <http://127.0.0.1:9090/metrics> (`MM_METRICS_PORT`). Every
process exposes its own latency and bus metrics on a port of its own. A series is there while its value is known,
and gone when it is not, so an alert on something that may be missing needs `absent()`.

What a service said of the present goes when it has been silent for ten seconds: prices when no book comes, orders
when the executor is silent, rules when the guard is. What was counted stays, so do positions and PnL as the
executor last told them, and ages go on growing. Staleness and cycle latency are the greatest of ten seconds.

## From a frame to an acknowledged order

| hop | metric |
|---|---|
| frame received to its messages published | `mm_frame_to_bus_seconds` of the ingestor |
| published to taken up by the quoter | `mm_bus_hop_seconds{stream="book"}` of the quoter |
| taken up to target published | `mm_quote_cycle_seconds` of the quoter |
| published to taken up by the executor | `mm_bus_hop_seconds{stream="target"}` of the executor |
| target computed to order handed over | `mm_target_to_order_seconds` of the executor |
| handed over to acknowledged, live only | `mm_exchange_request_seconds{action="place"}` of the executor |
| frame to target, frame to order | `mm_tick_to_target_seconds`, `mm_tick_to_order_seconds` |

The shadow's modelled latency is a setting and no measurement: it is not among these.

## What the PnL consists of

`mm_edge_part_usd` of a coin has the parts `capture` (distance of our fills from the mid before them), `adverse`
(the mid's move for us in the five seconds after, mostly negative, as far as the monitor saw it), `inventory` (its
other moves while we held), `fees`, `funding` and `net`. All are signed so that + is earned, and the first five add
up to `net`, which is `mm_daily_pnl`. In sums leave `net` out: `sum by (part) (mm_edge_part_usd{part!="net"})`. A
coin of which a fill of the session is no longer on the bus has no parts.
"""
UNITS = (
    ("timestamp_seconds", "Unix s"), ("seconds_total", "s"), ("seconds", "s"), ("_secs", "s"), ("_ms", "ms"),
    ("usd_total", "USD"), ("_usd", "USD"), ("_price", "USD"), ("_pnl", "USD"), ("_bps", "bps"), ("_bytes", "B"),
    ("_ratio", "ratio"), ("_pct", "fraction"), ("_utilization", "ratio"), ("_imbalance", "-1..1"),
    ("_multiplier", "factor"), ("_total", "count"),
)  # fmt: skip
UNIT_OF = {
    "mm_position": "coins", "mm_max_position": "coins", "mm_sigma": "1/√s", "mm_kappa": "1/fraction",
    "mm_beta_book": "fraction", "mm_beta_flow": "fraction", "mm_ofi": "-1..1", "mm_funding_rate": "fraction/h",
    "mm_api_hourly_requests": "1/h", "mm_liquidation_distance": "fraction", "mm_rule_value": "label unit",
    "mm_rule_limit": "label unit", "mm_cascade_severity": "0..1", "mm_rule_closeness": "ratio",
    "mm_gate_verdict": "-1, 0, 1", "mm_analysis_verdict": "-1, 0, 1",
    "mm_volatility_regime": "0, 1, 2", "mm_twin_fill_difference": "count",
}  # fmt: skip
COUNTS = ("orders", "pending", "lag", "coins", "left", "used", "cap", "balances")


class Row(NamedTuple):
    name: str
    kind: str
    labels: Sequence[str]
    text: str


def unit_of(name: str) -> str:
    """By the suffix that the name has for it; a gauge without one is a count or a yes (1) and no (0)."""
    if name in UNIT_OF:
        return UNIT_OF[name]
    found = next((unit for suffix, unit in UNITS if name.endswith(suffix)), None)
    return found or ("count" if name.endswith(COUNTS) else "1 or 0")


def of_grid(metrics: Iterable[GridMetric]) -> Iterator[Row]:
    for metric in metrics:
        yield Row(metric.name, metric.kind, metric.labels, metric.text)


def of_services() -> Iterator[Row]:
    """A counter is named with the suffix that it is exposed with."""
    for metric in vars(ServiceMetrics(CollectorRegistry())).values():
        own = getattr(metric, "_histogram", metric)
        described = own.describe()[0]
        suffix = "_total" if described.type == "counter" else ""
        yield Row(described.name + suffix, described.type, own._labelnames, described.documentation)


def table(rows: Iterable[Row]) -> str:
    lines = ["| name | type | unit | labels | meaning |", "|---|---|---|---|---|"]
    for row in rows:
        labels = ", ".join(row.labels) or "-"
        text = row.text.replace("|", "\\|")
        lines.append(f"| `{row.name}` | {row.kind} | {unit_of(row.name)} | {labels} | {text} |")
    return "\n".join(lines)


def ports() -> str:
    own = [f"{name} {load(name).metrics_port}" for name in SERVICES if name != "monitor"]
    return (
        f"On these ports, in local mode as far above `MM_METRICS_PORT` as they are above 9090: {', '.join(own)}."
    )


def render() -> str:
    """The whole page."""
    parts = (
        HEAD,
        "## The grid: exposed by the monitor\n",
        table(of_grid(GRID)) + "\n",
        "## Every process of itself\n",
        ports() + "\n",
        table(of_services()) + "\n",
        "## The watchdog, in live runs\n",
        table(of_grid(WATCHDOG)),
    )
    return "\n".join(parts) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the file is old")
    if not parser.parse_args().check:
        FILE.write_text(render())
        return 0
    return 0 if FILE.read_text() == render() else 1


if __name__ == "__main__":
    sys.exit(main())
