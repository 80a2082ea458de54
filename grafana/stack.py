"""The dashboard of the machinery: are all services alive, fast and fed?"""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.panels import Query, dashboard, lines, mode, number, placed, steps, timeline, words

UID = "mm-stack"


def quantile(q: float, metric: str, by: str = "", of: str = "") -> str:
    """`>= 0` drops the NaN of those that observed nothing."""
    labels = f"{by}, le" if by else "le"
    series = f"{metric}_bucket" + (f"{{{of}}}" if of else "")
    return f"histogram_quantile({q}, sum by ({labels}) (rate({series}[$__rate_interval]))) >= 0"


def halves(metric: str) -> list[Query]:
    return [(quantile(0.5, metric), "p50"), (quantile(0.99, metric), "p99")]


def summary() -> list[Any]:
    alarm = steps("green", (1, "orange"))
    return [
        mode((0, 0, 6, 4)),
        number((6, 0, 2, 4), "Services", "Services whose heartbeat is younger than 10 s.",
               ("count(mm_service_heartbeat_age_seconds < 10) or vector(0)", ""), "none", decimals=0),
        number((8, 0, 3, 4), "Oldest heartbeat", "Every service beats once a second.",
               ("max(mm_service_heartbeat_age_seconds)", ""), "s", decimals=1,
               colours=steps("green", (3, "orange"), (10, "red"))),
        number((11, 0, 2, 4), "Book age", "Greatest age of a book since the last scrape.",
               ("max(mm_data_staleness_secs)", ""), "s", decimals=1,
               colours=steps("green", (3, "orange"), (5, "red"))),
        number((13, 0, 2, 4), "Redis use", "Used memory against its limit; full means that nothing is written.",
               ("max(mm_redis_memory_ratio)", ""), "percentunit", decimals=1,
               colours=steps("green", (0.5, "orange"), (0.75, "red"))),
        number((15, 0, 2, 4), "Memory", "All services together, peaks.", ("sum(mm_service_memory_bytes)", ""),
               "bytes", decimals=0, colours=steps("green", (500e6, "orange"), (630e6, "red"))),
        number((17, 0, 2, 4), "Reconnects", "Of the market-data feed, since the ingestor started.",
               ("max(mm_ws_reconnects_total)", ""), "none", decimals=0, colours=alarm),
        number((19, 0, 2, 4), "Stalls", "Everything was cancelled because the feed fell silent.",
               ("max(mm_stall_panics_total)", ""), "none", decimals=0, colours=alarm),
        number((21, 0, 3, 4), "Version and venue", "What is running, and on which prices.",
               ("mm_build_info", "{{version}} {{venue}}"), "none", named=True),
    ]  # fmt: skip


def services(y: int) -> list[Any]:
    by_service = "{{service}}"
    return [
        lines((0, y, 12, 9), "Heartbeat age", "Time since each service last said that its loop turns.",
              [("max by (service) (mm_service_heartbeat_age_seconds)", by_service)], "s", beside=True, low=0,
              at_least=1),
        lines((12, y, 12, 9), "Memory", "Peak resident memory of each service.",
              [("max by (service) (mm_service_memory_bytes)", by_service)], "bytes", stacked=True, beside=True,
              low=0),
        timeline((0, y + 9, 12, 8), "Endpoints", "Green while Prometheus can scrape the service.",
                 ("max by (job) (up)", "{{job}}"), words({"1": ("up", "green"), "0": ("down", "red")})),
        lines((12, y + 9, 12, 8), "Hours since the last conversion", "Ticks to Parquet, once a day; 26 h is late.",
              [("(time() - max(mm_converter_last_success_timestamp_seconds)) / 3600", "converter")], "suffix: h",
              low=0, at_least=26, decimals=1),
    ]  # fmt: skip


def latency(y: int) -> list[Any]:
    return [
        lines((0, y, 8, 9), "Tick to target", "Frame received to quotes published; wanted p50 1 ms, p99 5 ms.",
              halves("mm_tick_to_target_seconds"), "s", low=0),
        lines((8, y, 8, 9), "Tick to order", "Frame received to order handed over; wanted p50 2 ms, p99 10 ms.",
              halves("mm_tick_to_order_seconds"), "s", low=0),
        lines((16, y, 8, 9), "Quote cycle", "Work of the quoter for one batch of books.",
              [*halves("mm_quote_cycle_seconds"), ("max(job:mm_quote_cycle_seconds:p99_5m)", "p99 over 5 min")],
              "s", low=0),
        lines((0, y + 9, 12, 9), "Slowest quote by coin", "Slowest frame-to-target since the scrape before.",
              [("max by (asset) (mm_quote_cycle_latency_ms)", "{{asset}}")], "ms", beside=True, low=0, decimals=1),
        lines((12, y + 9, 12, 9), "Data age by coin", "Greatest age of the book since the scrape before.",
              [("max by (asset) (mm_data_staleness_secs)", "{{asset}}")], "s", beside=True, low=0, decimals=1),
    ]  # fmt: skip


def bus(y: int) -> list[Any]:
    rate = "[$__rate_interval]"
    return [
        lines((0, y, 12, 9), "One hop over the bus, p99",
              "Written to handled. Background services look every 250 ms on purpose.",
              [(quantile(0.99, "mm_bus_hop_seconds", "job"), "{{job}}")], "s", beside=True, low=0),
        lines((12, y, 12, 9), "Hop by stream, p99", "On the way to an order: quoter and executor only.",
              [(quantile(0.99, "mm_bus_hop_seconds", "stream", 'job=~"quoter|executor"'), "{{stream}}")], "s",
              beside=True, low=0),
        lines((0, y + 9, 8, 8), "Skipped entries", "Older entries of latest streams passed over: lag, no loss.",
              [(f"sum by (job) (rate(mm_bus_skipped_total{rate}))", "{{job}}")], "ops", low=0),
        lines((8, y + 9, 8, 8), "Lost entries", "Entries trimmed before they were handled: must stay at 0.",
              [("sum by (job) (mm_bus_lost_total) or sum by (job) (0 * mm_bus_up)", "{{job}}")], "none", low=0,
              decimals=0, at_least=1),
        lines((16, y + 9, 8, 8), "Redis", "Used memory against its limit, and services that reach it.",
              [("max(mm_redis_memory_ratio)", "memory used"),
               ("sum(mm_bus_up) / count(mm_bus_up)", "services connected")], "percentunit", low=0, high=1),
        lines((0, y + 17, 24, 6), "Times Redis was lost and found", "By service, since it started.",
              [("sum by (job) (mm_bus_reconnects_total)", "{{job}}")], "none", low=0, decimals=0, at_least=1),
    ]  # fmt: skip


def build() -> Dashboard:
    board = dashboard(UID, "Stack health", "The services, their speed, and the bus between them.", "now-1h")
    sections = (
        ("", summary()),
        ("Services", services(5)),
        ("Latency", latency(23)),
        ("Bus", bus(42)),
    )
    return placed(board, sections)
