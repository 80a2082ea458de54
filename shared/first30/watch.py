"""The first half hour, judged look by look: pure, so that the monitor, the command and the tests say the same."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from shared.clock import utc
from shared.first30.checks import CHECKS, FLAGS, Check, Flag, named
from shared.first30.history import History
from shared.first30.look import Look

Verdict = Literal["ok", "waiting", "WARN", "RED"]
WORST: tuple[Verdict, ...] = ("ok", "waiting", "WARN", "RED")
MINUTES = 30.0
ANY_TIME = "any"
"""In place of minutes, of a red flag."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line as people see it."""

    name: str
    stage: str
    """Minutes in which it is due, or ANY_TIME."""
    value: str
    threshold: str
    verdict: Verdict
    command: str
    ok_minute: float | None = None
    """When it first was ok (checklist)."""

    @property
    def text(self) -> str:
        remedy = f" -> {self.command}" if self.verdict in ("WARN", "RED") else ""
        return f"{self.name}: {self.verdict} | {self.value} ({self.threshold}){remedy}"


@dataclass(frozen=True, slots=True)
class Stood:
    """A red flag that stood: minutes since the beginning; `until` None: to the end."""

    name: str
    since: float
    value: str
    until: float | None = None


class First30:
    """Takes looks, keeps verdicts. A red flag that stood once is not forgotten."""

    def __init__(self, first: Look, minutes: float = MINUTES) -> None:
        self.length = minutes
        self.history = History(first, minutes)
        live = first.mode == "live"
        self._checks = [check for check in CHECKS if live or not check.live_only]
        self._flags = [flag for flag in FLAGS if live or not flag.live_only]
        self._beyond_ms: dict[tuple[str, str], float] = {}
        self.stood: list[Stood] = []
        self.stopped = False
        """Has the bot been stopped before the end?"""
        self.items: dict[str, Item] = {}
        self._judge()

    @property
    def over(self) -> bool:
        return self.history.minutes >= self.length

    def take(self, look: Look) -> list[Item]:
        """What has another verdict than before."""
        before = self.items
        self.history.take(look)
        self._judge()
        return [item for name, item in self.items.items() if item.verdict != before[name].verdict]

    def _judge(self) -> None:
        items = [*(self._check(check) for check in self._checks), *(self._flag(flag) for flag in self._flags)]
        self.items = {item.name: item for item in items}

    def _check(self, check: Check) -> Item:
        minutes, answer = self.history.minutes, check.read(self.history)
        verdict: Verdict = "waiting"
        if minutes >= check.begin and answer.holds:
            verdict = "ok"
        elif minutes >= check.due and answer.holds is not None:
            verdict = "WARN"
        known = self.items.get(check.name)
        since = known.ok_minute if known is not None else None
        if since is None and verdict == "ok":
            since = round(minutes, 2)
        return Item(check.name, check.stage, answer.value, check.threshold, verdict, check.command, since)

    def _flag(self, flag: Flag) -> Item:
        minutes = self.history.minutes
        values = flag.read(self.history)
        for key in [key for key in self._beyond_ms if key[0] == flag.name and key[1] not in values]:
            del self._beyond_ms[key]
        held = [subject for subject, value in values.items() if self._has_held(flag, subject, value)]
        worst = sorted(values, key=values.__getitem__, reverse=not flag.below)
        verdict: Verdict = "ok"
        if minutes < flag.begin or not values:
            verdict = "waiting"
        elif held:
            verdict = "RED"
        elif flag.beyond(values[worst[0]], flag.warn):
            verdict = "WARN"
        shown = held or worst[:1]
        value = flag.show(values[min(shown, key=worst.index)]) if shown else "not known"
        subjects = named(filter(None, shown))
        value = " ".join(filter(None, (subjects, value)))
        self._note(flag, verdict == "RED", value)
        return Item(flag.name, ANY_TIME, value, flag.threshold, verdict, flag.command)

    def _has_held(self, flag: Flag, subject: str, value: float) -> bool:
        """Beyond the limit, and for long enough."""
        key, now_ms = (flag.name, subject), self.history.now.time_ms
        if self.history.minutes < flag.begin or not flag.beyond(value, flag.limit):
            self._beyond_ms.pop(key, None)
            return False
        since_ms = self._beyond_ms.setdefault(key, now_ms)
        return now_ms - since_ms > flag.hold_s * 1000 or not flag.hold_s

    def _note(self, flag: Flag, red: bool, value: str) -> None:
        minutes = round(self.history.minutes, 2)
        last = next((entry for entry in reversed(self.stood) if entry.name == flag.name), None)
        open_ = last is not None and last.until is None
        if red and not open_:
            self.stood.append(Stood(flag.name, minutes, value))
        elif last is not None and open_ and not red:
            self.stood[self.stood.index(last)] = replace(last, until=minutes)

    # ---- the end ----

    @property
    def verdict(self) -> Verdict:
        """The worst of all, a red flag of before included."""
        if self.stood:
            return "RED"
        return max((item.verdict for item in self.items.values()), key=WORST.index)

    @property
    def outcome(self) -> str:
        """The verdict; of a bot that was stopped, when that was, and whether a red flag had stood."""
        if not self.stopped:
            return self.verdict
        return f"{'RED, ' if self.stood else ''}stopped at minute {self.history.minutes:.1f}"

    def report(self) -> dict[str, Any]:
        """Everything, JSON-ready."""
        history = self.history
        trend = history.trend
        curve = [point for point in history.curve if point.minute < history.point.minute] + [history.point]
        return {
            "mode": history.now.mode,
            "began_ms": int(history.began_ms),
            "minutes": round(history.minutes, 2),
            "planned_minutes": self.length,
            "verdict": self.outcome,
            "items": [asdict(item) for item in self.items.values()],
            "red_flags": [asdict(flag) for flag in self.stood],
            "edge_bps": None if history.edge_bps is None else round(history.edge_bps, 3),
            "pnl_slope_usd_per_hour": None if trend is None else round(trend[0], 4),
            "curve": [asdict(point) for point in curve],
        }

    def summary(self) -> str:
        """The end in one line."""
        point = self.history.point
        counts = ", ".join(
            f"{sum(item.verdict == verdict for item in self.items.values())} {verdict}" for verdict in WORST[:3]
        )
        stood = ", ".join(dict.fromkeys(flag.name for flag in self.stood)) or "none"
        return (
            f"{self.history.minutes:.0f} minutes: {self.outcome} | {counts} | red flags: {stood} |"
            f" PnL ${point.pnl_usd:+.2f}, {point.fills} fills, volume ${point.volume_usd:.2f}"
        )


def markdown(report: dict[str, Any]) -> Iterator[str]:
    """The summary file."""
    began = f"{utc(report['began_ms']):%Y-%m-%d %H:%M:%S} UTC"
    yield f"# First {report['planned_minutes']:g} minutes, {report['mode'].upper()}: {report['verdict']}"
    yield f"\nBegan {began}, watched for {report['minutes']:.1f} minutes.\n"
    yield "| minutes | item | value at the end | threshold | verdict | ok since minute | command |"
    yield "|---|---|---|---|---|---|---|"
    for item in report["items"]:
        since = "-" if item["ok_minute"] is None else f"{item['ok_minute']:.1f}"
        yield (
            f"| {item['stage']} | {item['name']} | {item['value']} | {item['threshold']} | {item['verdict']} |"
            f" {since} | `{item['command']}` |"
        )
    yield "\n## Red flags that stood\n"
    for flag in report["red_flags"]:
        until = "the end" if flag["until"] is None else f"minute {flag['until']:.1f}"
        yield f"- {flag['name']}: from minute {flag['since']:.1f} to {until}, {flag['value']}"
    if not report["red_flags"]:
        yield "None."
    edge, slope = report["edge_bps"], report["pnl_slope_usd_per_hour"]
    yield (
        f"\n## PnL\n\nEdge {'not known' if edge is None else f'{edge:+.2f} bps'},"
        f" slope {'not known' if slope is None else f'{slope:+.3f} $/h'} over the last 15 minutes.\n"
    )
    yield "| minute | PnL $ | volume $ | fills |"
    yield "|---:|---:|---:|---:|"
    for point in report["curve"]:
        yield f"| {point['minute']:.1f} | {point['pnl_usd']:+.4f} | {point['volume_usd']:.2f} | {point['fills']} |"
