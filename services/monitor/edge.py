"""What the net PnL of a session consists of, by coin.

    net = capture + adverse + inventory + fees + funding        + is money earned, in each part

`capture` is the distance of our fills from the mid before them, `adverse` how far the mid moved for us within the
five seconds after (where that was seen), `inventory` every other move of the mid with a position held. Net, fees,
funding and the sum of the other three are those of the executor's ledger; capture is summed up here, and nothing
is told of a session of which a fill is missing.
"""

from collections import deque
from decimal import Decimal

from shared.messages import CoinStatus, Fill

PARTS = ("capture", "adverse", "inventory", "fees", "funding", "net")
_MOST_WAITING = 10_000
"""As many fills as their stream keeps."""


def capture_usd(fill: Fill) -> Decimal:
    """Won over the mid when it happened."""
    won_px = fill.mid_px - fill.px if fill.side == "bid" else fill.px - fill.mid_px
    return won_px * fill.sz


class Edge:
    """Fills wait for the status that counts them, so that all parts are of one moment."""

    def __init__(self) -> None:
        self.parts_usd: dict[str, float] | None = None
        """By `PARTS`; None while fills are missing, and where nothing was traded or held."""
        self.volume_usd = 0.0
        self._waiting: deque[tuple[int, float]] = deque(maxlen=_MOST_WAITING)
        self._newest = (0, 0)
        self._session_ms: int | None = None
        self._counted = 0
        self._capture_usd = self._adverse_usd = 0.0

    def add(self, fill: Fill) -> None:
        """A fill of our mode; one delivered again counts once."""
        seq, time_ms = self._newest
        if fill.seq <= seq and fill.time_ms <= time_ms:
            return
        self._newest = fill.seq, fill.time_ms
        self._waiting.append((fill.time_ms, float(capture_usd(fill))))

    def moved(self, won_usd: float) -> None:
        """The mid has moved for fills of ours within their horizon; - against us."""
        self._adverse_usd += won_usd

    def settle(self, session_ms: int, line: CoinStatus) -> None:
        """The executor's line of a session that began at `session_ms`."""
        if session_ms != self._session_ms:
            self._session_ms, self._counted = session_ms, 0
            self._capture_usd = self._adverse_usd = 0.0
        while self._waiting and (self._waiting[0][0] < session_ms or self._counted < line.fills):
            time_ms, won_usd = self._waiting.popleft()
            if time_ms >= session_ms:
                self._counted += 1
                self._capture_usd += won_usd
        active = line.fills > 0 or line.position_sz != 0 or line.pnl_usd != 0
        self.parts_usd = self._parts(line) if active and self._counted == line.fills else None
        self.volume_usd = float(line.volume_usd)

    def _parts(self, line: CoinStatus) -> dict[str, float]:
        gross_usd = float(line.realized_usd + line.unrealized_usd)
        return {
            "capture": self._capture_usd,
            "adverse": self._adverse_usd,
            "inventory": gross_usd - self._capture_usd - self._adverse_usd,
            "fees": -float(line.fees_usd),
            "funding": float(line.funding_usd),
            "net": float(line.pnl_usd),
        }
