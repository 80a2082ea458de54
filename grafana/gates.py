"""The dashboard of data and gates: is everything recorded, will the disk last, and what does the evidence say?"""

from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.frame import dashboard, first_row
from grafana.panels import Column, lines, number, placed, rows_by, steps, timeline, with_words, words
from market_maker.live.gates import GATES

UID = "mm-data"
NO_EVIDENCE = "none: market_maker gates"
NO_ANALYSIS = "none yet: made each night"
VERDICTS = {"1": ("GO", "green"), "0": ("NOT ENOUGH DATA", "orange"), "-1": ("NO-GO", "red")}
_WORD = {
    "mappings": [words(VERDICTS).to_json()],
    "custom.cellOptions": {"type": "color-text"},
    "custom.align": "left",
}
_COUNT = {"unit": "none", "decimals": 0, "custom.align": "right"}
DAY_S = 86_400

COLUMNS: tuple[Column, ...] = (
    ("Evidence", "max by (gate) (mm_gate_verdict)", _WORD),
    ("Last night's analysis", "max by (gate) (mm_analysis_verdict)", _WORD),
    ("Coins GO", "max by (gate) (mm_analysis_coins)", _COUNT),
    ("Live without it", "max by (gate) (mm_gate_missing)", {
        "mappings": [words({"1": ("confirmed without", "red")}).to_json()],
        "custom.cellOptions": {"type": "color-text"},
        "custom.align": "left",
    }),
)  # fmt: skip


def summary() -> list[Any]:
    late = steps("red", (0, "orange"), (DAY_S, "green"))
    age = steps("green", (DAY_S, "orange"), (26 * 3600, "red"))
    return [
        number((0, 0, 4, 3), "Evidence ends in", "Of the gates; live trading asks for it.",
               ("max(mm_gate_evidence_left_seconds)", ""), "s", decimals=1, colours=late, empty=NO_EVIDENCE),
        number((4, 0, 4, 3), "Evidence made", "Time since `market_maker gates` judged.",
               ("time() - max(mm_gate_evidence_timestamp_seconds)", ""), "s", decimals=1, empty=NO_EVIDENCE),
        number((8, 0, 4, 3), "Last analysis", "Time since the nightly analysis.",
               ("time() - max(mm_analysis_timestamp_seconds)", ""), "s", decimals=1, colours=age,
               empty=NO_ANALYSIS),
        number((12, 0, 3, 3), "Last conversion", "Ticks to Parquet, once a day; 26 h is late.",
               ("time() - max(mm_converter_last_success_timestamp_seconds)", ""), "s", decimals=1, colours=age,
               empty="none yet"),
        number((15, 0, 3, 3), "Not written for", "Of ticks, trades and depth: the one that waits longest.",
               ('max(mm_recording_age_seconds{family=~"ticks|trades|depth"})', ""), "s", decimals=0,
               colours=steps("green", (60, "orange"), (300, "red")), empty="nothing is recorded"),
        number((18, 0, 3, 3), "Disk free", "On the disk of the data folder.",
               ("max(mm_disk_free_bytes)", ""), "bytes", decimals=0, empty="not told"),
        number((21, 0, 3, 3), "Disk lasts", "By what the last day has taken.", ("max(mm_disk_left_seconds)", ""),
               "s", decimals=0, colours=steps("red", (3 * DAY_S, "orange"), (14 * DAY_S, "green")),
               empty="it does not fill"),
    ]  # fmt: skip


def gates() -> list[Any]:
    text = (
        "GO is needed to go live, or a person who accepts its absence. NOT ENOUGH DATA: the"
        " recordings are too short. `market_maker gates` makes the evidence, the analysis is made each night."
    )
    strips = [("max by (gate) (mm_gate_verdict)", "{{gate}}")]
    table = rows_by(("gate", "Gate"), {"field": "Gate"}, (0, 0, 12, 8), "Gates", text, COLUMNS)
    named = {gate: (f"{nth}  {meaning}", "text") for nth, (gate, meaning) in enumerate(GATES.items(), 1)}
    return [
        with_words(table, "Gate", named, 260),
        timeline((12, 0, 12, 8), "Verdicts over time", "Of the newest evidence. Green: GO.", strips,
                 words(VERDICTS), empty="No evidence yet: `market_maker gates` makes it."),
    ]  # fmt: skip


def recording() -> list[Any]:
    rate = "[$__rate_interval]"
    lost = [
        (f"sum(rate(mm_feed_refused_total{rate}))", "frames refused"),
        (f"sum(rate(mm_bus_lost_total{rate})) or 0 * sum(mm_bus_up)", "entries lost on the bus"),
    ]
    gaps = [
        ("max(mm_data_staleness_secs)", "oldest book"),
        ("max(mm_feed_age_seconds)", "last frame"),
    ]
    breaks = [
        ("max(mm_ws_reconnects_total)", "reconnects of the feed"),
        ("max(mm_stall_panics_total)", "stalls"),
    ]
    return [
        lines((0, 0, 12, 9), "Time since a file was written", "By family; fills wait for something new.",
              [("max by (family) (mm_recording_age_seconds)", "{{family}}")], "s", beside=True, low=0, decimals=0,
              at_least=60, empty="Nothing is recorded yet."),
        lines((12, 0, 12, 9), "Gaps", "How old the data were at worst; what is not received cannot be recorded.",
              gaps, "s", low=0, decimals=1, at_least=5),
        lines((0, 9, 12, 8), "Lost", "Frames refused, entries trimmed unhandled; a second.", lost,
              "ops", low=0, at_least=1),
        lines((12, 9, 12, 8), "Interruptions", "Of the feed, since ingestor and monitor started.", breaks, "none",
              low=0, decimals=0, at_least=1),
    ]  # fmt: skip


def disk() -> list[Any]:
    return [
        lines((0, 0, 12, 8), "Disk used", "Part of the disk of the data folder; the guard reduces at its limit.",
              [("max(mm_disk_used_ratio)", "used")], "percentunit", low=0, high=1, decimals=0),
        lines((12, 0, 12, 8), "Hours since the last conversion", "Ticks to Parquet, once a day; 26 h is late.",
              [("(time() - max(mm_converter_last_success_timestamp_seconds)) / 3600", "converter")], "suffix: h",
              low=0, at_least=26, decimals=1, empty="None yet."),
    ]  # fmt: skip


def build() -> Dashboard:
    board = dashboard(
        UID, "Data & gates", "Recording, conversion, disk, and the evidence that live trading asks for."
    )
    sections = (
        ("", first_row()),
        ("", summary()),
        ("Gates", gates()),
        ("Recording", recording()),
        ("Disk and conversion", disk()),
    )
    return placed(board, sections)
