"""A position as large as the coin may have: from here on only orders towards flat."""

from decimal import Decimal
from typing import Any, ClassVar

from services.guard.checks.streak import Streak
from services.guard.config import GuardConfig
from services.guard.memory import PARTS
from services.guard.rules import Reading, Rule
from shared.messages import AssetConfig, AssetCtx, Book, CoinStatus, Fill, Reason
from shared.units import Side, exact

RULE = Rule(
    "inventory", "position is at the coin's limit", "coin", "reduce", Reason.MAX_INVENTORY, "USD", "max_inv_usd"
)


class Inventory:
    """|position| x mid against `max_inv_usd` of the coin's config, exactly. Fired, the side that would add is held
    to orders towards flat; the other one goes on."""

    rule = RULE
    remembers: ClassVar = {
        "_position_sz": Decimal | None,
        "_px": Decimal | None,
        "_seq": int,
        "_filled_ms": int,
        "_adding": Side,
        "_streak": PARTS,
    }

    def __init__(self, coin: str, config: GuardConfig) -> None:
        self._limit_usd = exact(config.sized(AssetConfig(coin=coin)).max_inv_usd)
        self._streak = Streak(0.0, config.rule_hold_s)
        self._position_sz: Decimal | None = None
        self._px: Decimal | None = None
        self._seq = self._filled_ms = 0
        self._adding: Side = "bid"

    def hear(self, now_ms: int, msg: Any) -> None:
        if isinstance(msg, Fill):
            if msg.seq <= self._seq:
                return
            self._seq, self._position_sz, self._filled_ms = msg.seq, msg.position_sz, now_ms
        elif isinstance(msg, CoinStatus):
            if now_ms < self._filled_ms:
                return
            self._position_sz = msg.position_sz
            self._px = self._px or msg.mark_px or None
        elif isinstance(msg, Book):
            if not msg.bids or not msg.asks:
                return
            self._px = (msg.bids[0].px + msg.asks[0].px) / 2
        elif isinstance(msg, AssetCtx):
            self._px = self._px or msg.mark_px
        elif isinstance(msg, AssetConfig):
            self._limit_usd = exact(msg.max_inv_usd)
        else:
            return
        value_usd = self._value_usd()
        if value_usd is not None:
            self._streak.note(now_ms, abs(value_usd) >= self._limit_usd)
            if value_usd:
                self._adding = "bid" if value_usd > 0 else "ask"

    def read(self, now_ms: int) -> Reading:
        value_usd = self._value_usd()
        if value_usd is None:
            return Reading(None, float(self._limit_usd))
        fired = self._streak.on(now_ms)
        return Reading(float(value_usd), float(self._limit_usd), fired, side=self._adding if value_usd else None)

    def _value_usd(self) -> Decimal | None:
        return None if self._position_sz is None or self._px is None else self._position_sz * self._px
