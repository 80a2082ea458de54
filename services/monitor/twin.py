"""Live fills against those of the shadow that trades on the same targets: what came, and what was to be expected.

Both are counted from the same moment on, so that they can be compared; nothing of this reaches an order.
"""

from collections.abc import Iterator
from decimal import Decimal

from services.monitor.edge import capture_usd
from shared.messages import ZERO, Event, Fill, Mode

LINE_EVERY_MS = 600_000
MODES: tuple[Mode, Mode] = ("live", "shadow")


class Tally:
    """Fills of one mode: how many, what they were worth, and what they had won over the mid when they happened."""

    def __init__(self) -> None:
        self.fills = 0
        self.volume_usd = self.edge_usd = ZERO

    def add(self, fill: Fill) -> None:
        self.fills += 1
        self.volume_usd += fill.px * fill.sz
        self.edge_usd += capture_usd(fill)

    @property
    def edge_bps(self) -> Decimal | None:
        """Mean distance from the mid, weighted by volume; + is good for us, fees not subtracted."""
        return self.edge_usd / self.volume_usd * 10_000 if self.volume_usd else None

    def __str__(self) -> str:
        edge = f" edge {self.edge_bps:+.1f} bps" if self.edge_bps is not None else ""
        return f"{self.fills} fills ${self.volume_usd:.0f}{edge}"


class Twin:
    """Both modes by coin since the monitor began, and a line each ten minutes about those."""

    def __init__(self) -> None:
        self.tallies: dict[tuple[str, Mode], Tally] = {}
        self._since_line = {mode: Tally() for mode in MODES}
        self._began_ms = self._line_ms = 0

    def begin(self, now_ms: int) -> None:
        self._began_ms = self._line_ms = now_ms

    def take(self, fill: Fill) -> None:
        """A fill from before the beginning may be one of another session."""
        if fill.time_ms < self._began_ms:
            return
        self.tallies.setdefault((fill.coin, fill.mode), Tally()).add(fill)
        self._since_line[fill.mode].add(fill)

    def pairs(self) -> Iterator[tuple[str, tuple[Tally, Tally]]]:
        """Each coin that was filled in either mode: live, shadow."""
        for coin in {coin for coin, _ in self.tallies}:
            yield coin, (self.tallies.get((coin, "live"), Tally()), self.tallies.get((coin, "shadow"), Tally()))

    def line(self, now_ms: int) -> Event | None:
        """When it is due."""
        if now_ms - self._line_ms < LINE_EVERY_MS:
            return None
        text = " | ".join(f"{mode} {self._since_line[mode]}" for mode in MODES)
        self._since_line, self._line_ms = {mode: Tally() for mode in MODES}, now_ms
        return Event(tag="TWIN", text=text)
