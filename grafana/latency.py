"""The dashboard of the way to the venue: how long each hop takes, what is refused, and what requests are left."""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.frame import AGE, dashboard, first_row
from grafana.panels import Column, Query, bars, lines, number, placed, rows_by, steps, timeline, words

UID = "mm-latency"
ONLY_LIVE = "Live trading only."
REFUSED = "sum(increase(mm_orders_rejected_total[$__range])) or 0 * sum(mm_open_orders)"
WRONG = "sum by (action, reason) (increase(mm_exchange_errors_total[5m])) > 0", "{{action}} {{reason}}"
HOPS = (
    ("1 frame received → on the bus", "mm_frame_to_bus_seconds", ""),
    ("2 book on the bus → quoter", "mm_bus_hop_seconds", 'job="quoter", stream="book"'),
    ("3 the quoter's own work", "mm_quote_cycle_seconds", ""),
    ("4 frame received → target", "mm_tick_to_target_seconds", ""),
    ("5 target on the bus → executor", "mm_bus_hop_seconds", 'job="executor", stream="target"'),
    ("6 target → order handed over", "mm_target_to_order_seconds", ""),
    ("7 frame received → order handed over", "mm_tick_to_order_seconds", ""),
    ("8 order sent → acknowledged (live)", "mm_exchange_request_seconds", 'action="place"'),
)
"""What a quote goes through, in this order; the last only where there is a venue to answer."""


def quantile(q: float, metric: str, by: str = "", of: str = "", within: str = "$__rate_interval") -> str:
    """`>= 0` drops the NaN of those that observed nothing."""
    labels = f"{by}, le" if by else "le"
    series = f"{metric}_bucket" + (f"{{{of}}}" if of else "")
    return f"histogram_quantile({q}, sum by ({labels}) (rate({series}[{within}]))) >= 0"


def halves(metric: str) -> list[Query]:
    return [(quantile(0.5, metric), "p50"), (quantile(0.99, metric), "p99")]


def by_hop(q: float) -> str:
    each = (
        f'label_replace({quantile(q, metric, of=of, within="$__range")}, "hop", "{name}", "", "")'
        for name, metric, of in HOPS
    )
    return " or ".join(each)


def counted() -> str:
    each = (
        f'label_replace(sum(increase({metric}_count{{{of}}}[$__range])), "hop", "{name}", "", "")'
        for name, metric, of in HOPS
    )
    return " or ".join(each)


_RIGHT = {"unit": "s", "custom.align": "right", "custom.width": 110}
COLUMNS: tuple[Column, ...] = (
    ("p50", by_hop(0.5), _RIGHT),
    ("p95", by_hop(0.95), _RIGHT),
    ("p99", by_hop(0.99), _RIGHT),
    ("Times", counted(), {"unit": "short", "decimals": 0, "custom.align": "right", "custom.width": 100}),
)


def venue() -> list[Any]:
    connected = words({"1": ("connected", "green"), "0": ("NOT CONNECTED", "red")})
    return [
        number((0, 0, 4, 3), "Market data", "Connection of the ingestor to the venue.",
               ("max(mm_feed_connected)", ""), "none", mapped=connected, empty="not told"),
        number((4, 0, 3, 3), "Last frame", "Time since anything came from the venue.",
               ("max(mm_feed_age_seconds)", ""), "s", decimals=1, colours=AGE),
        number((7, 0, 3, 3), "Reconnects", "Of the market-data feed, since the ingestor started.",
               ("max(mm_ws_reconnects_total)", ""), "none", decimals=0, colours=steps("green", (1, "orange"))),
        number((10, 0, 3, 3), "Frames refused", "Crossed, malformed or out of order, since the ingestor started.",
               ("max(mm_feed_refused_total)", ""), "none", decimals=0, colours=steps("green", (1, "orange"))),
        number((13, 0, 4, 3), "Frame to order, p99", "In this range; wanted below 10 ms.",
               (quantile(0.99, "mm_tick_to_order_seconds", within="$__range"), ""), "s",
               colours=steps("green", (0.01, "orange"), (0.1, "red")), empty="no order yet"),
        number((17, 0, 3, 3), "Orders refused", "By the exchange or before it, all coins, in this range.",
               (REFUSED, ""), "none", decimals=0, colours=steps("green", (1, "orange"))),
        number((20, 0, 4, 3), "Request budget", "Requests left against a full budget.",
               ("max(mm_api_headroom_ratio)", ""), "percentunit", decimals=0, empty=ONLY_LIVE,
               colours=steps("red", (0.05, "orange"), (0.25, "green"))),
    ]  # fmt: skip


def hops() -> list[Any]:
    text = "The way of a quote, hop by hop, in this range. Hops are histograms: numbers lie between their edges."
    table = rows_by(("hop", "Hop"), {"field": "Hop"}, (0, 0, 12, 11), "Where the time goes", text, COLUMNS)
    across = [(quantile(0.99, metric, of=of), name[2:]) for name, metric, of in HOPS if not name.startswith("8")]
    return [
        table,
        lines((12, 0, 12, 11), "Hops, p99", "The same over time.", across, "s", beside=True, low=0),
        lines((0, 11, 8, 9), "Frame to target", "Frame received to quotes published; wanted p50 1 ms, p99 5 ms.",
              halves("mm_tick_to_target_seconds"), "s", low=0),
        lines((8, 11, 8, 9), "Frame to order", "Frame received to order handed over; wanted p50 2 ms, p99 10 ms.",
              halves("mm_tick_to_order_seconds"), "s", low=0),
        lines((16, 11, 8, 9), "Requests to the venue, p99", "Sent to answered, by action.",
              [(quantile(0.99, "mm_exchange_request_seconds", "action"), "{{action}}")], "s", low=0,
              empty=ONLY_LIVE),
        lines((0, 20, 12, 9), "Quote cycle", "Work of the quoter for one batch of books.",
              [*halves("mm_quote_cycle_seconds"), ("max(job:mm_quote_cycle_seconds:p99_5m)", "p99 over 5 min")],
              "s", low=0),
        lines((12, 20, 12, 9), "Slowest quote by coin", "Slowest frame-to-target in the last 10 s.",
              [("max by (asset) (mm_quote_cycle_latency_ms)", "{{asset}}")], "ms", beside=True, low=0, decimals=1),
    ]  # fmt: skip


def refused() -> list[Any]:
    by_reason = "sort_desc(topk(12, sum by (reason) (increase(mm_orders_rejected_total[$__range])) > 0))"
    rates = [
        (f'max(mm_api_hourly_requests{{action="{name}"}})', name) for name in ("spent", "earned", "affordable")
    ]
    return [
        bars((0, 0, 8, 9), "Orders refused by reason", "All coins.", (by_reason, "{{reason}}"), "none",
             empty="None was refused."),
        lines((8, 0, 8, 9), "Requests that went wrong", "In five minutes, by action and how; `ask`: a question.",
              [WRONG], "none", low=0, decimals=0, at_least=1, empty="None, or not live."),
        lines((16, 0, 8, 9), "Requests an hour", "Spent by orders and cancels, earned by trading, and affordable.",
              rates, "none", low=0, decimals=0, empty=ONLY_LIVE),
    ]  # fmt: skip


def feed() -> list[Any]:
    rate = "[$__rate_interval]"
    return [
        timeline((0, 0, 8, 5), "Connection", "Green while the market-data feed is connected.",
                 ("max(mm_feed_connected)", "feed"), words({"1": ("connected", "green"), "0": ("lost", "red")})),
        lines((0, 5, 8, 7), "Age of the last frame", "Time since anything came from the venue.",
              [("max(mm_feed_age_seconds)", "feed")], "s", low=0, decimals=1),
        lines((8, 0, 8, 12), "Frames a second", "Received, and refused as crossed, malformed or out of order.",
              [(f"sum(rate(mm_feed_frames_total{rate}))", "received"),
               (f"sum(rate(mm_feed_refused_total{rate}))", "refused")], "ops", low=0),
        lines((16, 0, 8, 12), "Data age by coin", "Greatest age of the book in the last 10 s.",
              [("max by (asset) (mm_data_staleness_secs)", "{{asset}}")], "s", beside=True, low=0, decimals=1),
    ]  # fmt: skip


def build() -> Dashboard:
    text = "How long each hop from the venue to an order takes, what is refused, and what requests are left."
    board = dashboard(UID, "Latency & venue", text)
    sections = (
        ("", first_row()),
        ("", venue()),
        ("Hops", hops()),
        ("Refused and budget", refused()),
        ("Feed", feed()),
    )
    return placed(board, sections)
