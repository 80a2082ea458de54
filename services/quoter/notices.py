"""The quoter's log lines: which change is worth a line, and its wording."""

from services.quoter.governor import Governor
from shared.messages import Event, Reason, Severity
from shared.units import Side

STARTING_MS = 2000
"""So long a coin may wait for its first book and lease without a line: every start looks like that."""
REPEAT_MS = 1000
"""One line per side and second at most, however often a side flickers at an edge."""
MIN_CHANGE = 0.1
JUMP = 0.5
SETTLED_MS = 30_000
"""A rise of a jump is told at once, a creeping one when it has lasted so long: else a line per coin and tenth."""
DOUBLED = 2.0
"""What cancels per fill can do alone; only more is a warning."""
_STARTING = (Reason.NO_BOOK, Reason.NO_LEASE, Reason.NO_UNIVERSE)
_ROUTINE = (
    Reason.HALTED,
    Reason.STALL,
    Reason.RECONNECTING,
    Reason.OFI_SELL_DOMINANCE,
    Reason.OFI_BUY_DOMINANCE,
    Reason.MAX_INVENTORY,
    Reason.REDUCE_ONLY,
    Reason.WOULD_CROSS,
    Reason.COIN_DISABLED,
    Reason.NEGATIVE_EDGE,
)
"""Somebody else has said it, or a limit does its work. The others mean that something is missing or wrong."""


class SideNotice:
    """`[NO QUOTE] COIN side reason=…` when a side's reason changes."""

    __slots__ = ("_coin", "_side", "_known_since_ms", "_said", "_said_ms")

    def __init__(self, coin: str, side: Side, known_since_ms: int) -> None:
        self._coin, self._side, self._known_since_ms = coin, side, known_since_ms
        self._said: Reason | None = None
        self._said_ms = known_since_ms - REPEAT_MS

    def update(self, now_ms: int, reason: Reason | None) -> Event | None:
        if reason is self._said or now_ms - self._said_ms < REPEAT_MS:
            return None
        if reason in _STARTING and now_ms - self._known_since_ms < STARTING_MS:
            return None
        self._said, self._said_ms = reason, now_ms
        if reason is None:
            return Event(tag="QUOTE", coin=self._coin, text=f"{self._coin} {self._side} quoted again")
        text = f"{self._coin} {self._side} reason={reason.value}"
        level: Severity = "info" if reason in _ROUTINE else "warning"
        return Event(level=level, tag="NO QUOTE", coin=self._coin, text=text)


class RegimeNotice:
    """`[REGIME] …` when the spread multiplier has changed by a tenth, naming what drove it."""

    __slots__ = ("_coin", "_multiplier", "_factors", "_rising_since_ms")

    def __init__(self, coin: str) -> None:
        self._coin, self._multiplier = coin, 1.0
        self._factors = (1.0, 1.0, 1.0, 1.0)
        self._rising_since_ms: int | None = None

    def update(self, now_ms: int, multiplier: float, governor: Governor, stale: float) -> Event | None:
        """A fall is told once, when it has come to rest; a slow rise as `SETTLED_MS` says."""
        change = multiplier - self._multiplier
        if abs(change) < MIN_CHANGE - 1e-9:
            self._rising_since_ms = None
            return None
        if 0 < change < JUMP - 1e-9:
            if self._rising_since_ms is None:
                self._rising_since_ms = now_ms
            if now_ms - self._rising_since_ms < SETTLED_MS:
                return None
        if change < 0 and governor.multiplier > governor.reading.multiplier:
            return None
        reading = governor.reading
        factors = (reading.m_atr, reading.m_cf, reading.m_latency, stale)
        driver = self._driver(factors) if change > 0 else "Conditions eased."
        text = f"{driver} Multiplier: {self._multiplier:.1f}x → {multiplier:.1f}x"
        self._multiplier, self._factors, self._rising_since_ms = multiplier, factors, None
        level: Severity = "warning" if change > 0 and multiplier > DOUBLED + 1e-9 else "info"
        return Event(level=level, tag="REGIME", coin=self._coin, text=text)

    def _driver(self, factors: tuple[float, float, float, float]) -> str:
        names = ("ATR spike detected.", "Cancel/fill ratio too high.", "P95 latency too high.", "Book is stale.")
        rises = [new / old for new, old in zip(factors, self._factors, strict=True)]
        return names[rises.index(max(rises))]
