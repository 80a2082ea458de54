"""The dashboard of the machinery: are all services alive and fed, and does the bus between them hold?"""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.frame import dashboard, first_row
from grafana.latency import quantile
from grafana.panels import SILENT_S, Column, lines, number, placed, rows_by, steps, timeline, words

UID = "mm-stack"
_RIGHT = {"custom.align": "right"}
_COLOURED: dict[str, Any] = {"custom.cellOptions": {"type": "color-text"}, "color": {"mode": "thresholds"}}


def _coloured(base: str, *edges: tuple[float, str]) -> dict[str, Any]:
    return {**_RIGHT, **_COLOURED, "thresholds": steps(base, *edges).build().to_json()}


def by_service(metric: str) -> str:
    return f"max by (service) ({metric})"


UP_BY_JOB = 'max by (job) (up) unless on (job) (up{job="watchdog"} and on () max(mm_live) == 0)'
"""The watchdog belongs to live trading."""
UP = f'label_replace({UP_BY_JOB}, "service", "$1", "job", "(.+)")'
COLUMNS: tuple[Column, ...] = (
    ("State", f"{by_service('mm_service_heartbeat_age_seconds')} < bool {SILENT_S}", {
        "custom.align": "left",
        **_COLOURED,
        "mappings": [words({"1": ("alive", "green"), "0": ("SILENT", "red")}).to_json()],
    }),
    ("Heartbeat", by_service("mm_service_heartbeat_age_seconds"), {
        "unit": "s", "decimals": 1, **_coloured("text", (3, "orange"), (SILENT_S, "red")),
    }),
    ("Endpoint", f"max by (service) ({UP})", {
        "custom.align": "left",
        **_COLOURED,
        "mappings": [words({"1": ("up", "green"), "0": ("down", "red")}).to_json()],
    }),
    ("Running for", f"time() - {by_service('mm_service_start_timestamp_seconds')}", {
        "unit": "s", "decimals": 0, **_RIGHT,
    }),
    ("Restarts", by_service("mm_service_restarts_total"), {
        "unit": "none", "decimals": 0, **_coloured("text", (1, "orange"), (5, "red")),
    }),
    ("Memory", by_service("mm_service_memory_bytes"), {"unit": "bytes", "decimals": 0, **_RIGHT}),
    ("Not yet read", "sum by (service) (mm_bus_lag)", {
        "unit": "none", "decimals": 0, **_coloured("text", (200, "orange"), (1000, "red")),
    }),
    ("Not acknowledged", "sum by (service) (mm_bus_pending)", {
        "unit": "none", "decimals": 0, **_coloured("text", (50, "orange"), (100, "red")),
    }),
)  # fmt: skip


def summary() -> list[Any]:
    alarm = steps("green", (1, "orange"))
    all_of = "0 * count(mm_service_heartbeat_age_seconds)"
    silent = f"count(mm_service_heartbeat_age_seconds >= {SILENT_S}) or {all_of}"
    return [
        number((0, 0, 3, 3), "Services alive", f"Services whose heartbeat is younger than {SILENT_S} s.",
               (f"count(mm_service_heartbeat_age_seconds < {SILENT_S}) or {all_of}", ""), "none", decimals=0),
        number((3, 0, 3, 3), "Services silent", f"No heartbeat for {SILENT_S} s; each service beats every second.",
               (silent, ""), "none", decimals=0, colours=steps("green", (1, "red"))),
        number((6, 0, 3, 3), "Restarts", "Of this run, that the monitor saw.",
               ("sum(mm_service_restarts_total)", ""), "none", decimals=0, colours=alarm),
        number((9, 0, 3, 3), "Redis use", "Used memory against its limit; full means that nothing is written.",
               ("max(mm_redis_memory_ratio)", ""), "percentunit", decimals=1,
               colours=steps("green", (0.5, "orange"), (0.75, "red"))),
        number((12, 0, 3, 3), "Peak memory", "Of all services, each at its largest.",
               ("sum(mm_service_memory_bytes)", ""), "bytes", decimals=0,
               colours=steps("green", (500e6, "orange"), (630e6, "red"))),
        number((15, 0, 3, 3), "Disk used", "Of the data folder's disk.", ("max(mm_disk_used_ratio)", ""),
               "percentunit", decimals=0, empty="not told",
               colours=steps("green", (0.85, "orange"), (0.95, "red"))),
        number((18, 0, 3, 3), "Stalls", "Times a silent feed took all quotes, since the monitor started.",
               ("max(mm_stall_panics_total)", ""), "none", decimals=0, colours=alarm),
        number((21, 0, 3, 3), "Version and venue", "What is running, and on which prices.",
               ("max by (version, venue) (mm_build_info)", "{{version}} {{venue}}"), "none", named=True),
    ]  # fmt: skip


def services() -> list[Any]:
    legend = "{{service}}"
    text = "One row per service. Not yet read and not acknowledged: entries that wait for it on the bus."
    return [
        rows_by(("service", "Service"), {"field": "Service"}, (0, 0, 24, 12), "Services", text, COLUMNS),
        lines((0, 12, 8, 9), "Heartbeat age", "Time since each service last said that its loop turns.",
              [(by_service("mm_service_heartbeat_age_seconds"), legend)], "s", beside=True, low=0, at_least=1),
        lines((8, 12, 8, 9), "Memory", "Peak resident memory of each service.",
              [(by_service("mm_service_memory_bytes"), legend)], "bytes", stacked=True, beside=True, low=0),
        timeline((16, 12, 8, 9), "Endpoints", "Green while Prometheus can scrape the service.",
                 (UP_BY_JOB, "{{job}}"), words({"1": ("up", "green"), "0": ("down", "red")})),
    ]  # fmt: skip


def bus() -> list[Any]:
    rate = "[$__rate_interval]"
    of_group = "{{service}} {{stream}}"
    return [
        lines((0, 0, 12, 9), "Not yet read", "Entries written that a service has not read, by stream.",
              [("max by (service, stream) (mm_bus_lag) > 0", of_group)], "none", beside=True, low=0, decimals=0,
              at_least=10, empty="Everything was read."),
        lines((12, 0, 12, 9), "Not acknowledged", "Read, effect not happened yet.",
              [("max by (service, stream) (mm_bus_pending) > 0", of_group)], "none", beside=True, low=0,
              decimals=0, at_least=10, empty="Everything was acknowledged."),
        lines((0, 9, 12, 9), "One hop over the bus, p99",
              "Written to handled. Background services look every 250 ms on purpose.",
              [(quantile(0.99, "mm_bus_hop_seconds", "job"), "{{job}}")], "s", beside=True, low=0),
        lines((12, 9, 12, 9), "Hop by stream, p99", "On the way to an order: quoter and executor only.",
              [(quantile(0.99, "mm_bus_hop_seconds", "stream", 'job=~"quoter|executor"'), "{{stream}}")], "s",
              beside=True, low=0),
        lines((0, 18, 6, 8), "Skipped entries", "Older entries of latest streams passed over: lag, no loss.",
              [(f"sum by (job) (rate(mm_bus_skipped_total{rate}))", "{{job}}")], "ops", low=0),
        lines((6, 18, 6, 8), "Lost entries", "Entries trimmed before they were handled: must stay at 0.",
              [("sum by (job) (mm_bus_lost_total) or sum by (job) (0 * mm_bus_up)", "{{job}}")], "none", low=0,
              decimals=0, at_least=1),
        lines((12, 18, 6, 8), "Redis", "Used memory against its limit, and services that reach it.",
              [("max(mm_redis_memory_ratio)", "memory used"),
               ("sum(mm_bus_up) / count(mm_bus_up)", "services connected")], "percentunit", low=0, high=1),
        lines((18, 18, 6, 8), "Times Redis was lost and found", "By service, since it started.",
              [("sum by (job) (mm_bus_reconnects_total)", "{{job}}")], "none", low=0, decimals=0, at_least=1),
    ]  # fmt: skip


def build() -> Dashboard:
    board = dashboard(UID, "Stack", "The services and the bus between them.")
    sections = (
        ("", first_row()),
        ("", summary()),
        ("Services", services()),
        ("Bus", bus()),
    )
    return placed(board, sections)
