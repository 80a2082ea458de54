"""What the guard knows of one coin, and the lease that follows from it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from services.guard.checks.ofi import Ofi
from services.guard.checks.table import on_a_coin
from services.guard.config import GuardConfig
from services.guard.hour import HourCount
from services.guard.memory import Memory, learnt_anew
from services.guard.rules import Level, Verdict, combine
from services.guard.watch import Fired, Watch
from shared.messages import AssetCtx, Book, CoinMemory, Event, Fill, OrderUpdate, RiskLease, Trades

VALID_MS = 3000
RENEW_MS = 1000


class CoinRisk:
    """The coin's rules and activity; its newest lease."""

    def __init__(self, coin: str, config: GuardConfig, levels: Mapping[str, Level]) -> None:
        self._coin = coin
        checks = on_a_coin(coin, config)
        self.watches = [Watch(check, levels[check.rule.name], coin) for check in checks]
        self._flow = next(check for check in checks if isinstance(check, Ofi))
        self._cancels, self._fills = HourCount(), HourCount()
        parts: dict[str, Any] = {watch.rule.name: watch for watch in self.watches}
        parts |= {"cancels": self._cancels, "fills": self._fills}
        self.memory = Memory(config, parts, (AssetCtx, Book, Fill, Trades))
        self.remembered_ms = 0
        self._verdict: Verdict | None = None
        self._issued_ms = 0

    def hear(self, now_ms: int, msg: Any) -> None:
        """A message of this coin, or a notice for all."""
        if isinstance(msg, OrderUpdate) and msg.status == "canceled":
            self._cancels.add(msg.cloid, msg.time_ms, now_ms)
        elif isinstance(msg, Fill):
            self._fills.add(msg.fill_id, msg.time_ms, now_ms)
        if self.memory.hears(msg):
            for watch in self.watches:
                watch.check.hear(now_ms, msg)

    def look(self, now_ms: int) -> Iterable[Event]:
        """Read all rules anew; what is to be told of that."""
        return [*self.settle(), *(event for watch in self.watches for event in watch.look(now_ms))]

    def settle(self) -> Iterable[Event]:
        """All that was restored of the coin has been heard."""
        return [learnt_anew(part, self._coin) for part in self.memory.settle()]

    def remember(self, now_ms: int) -> CoinMemory:
        """For the guard that comes after this one."""
        self.remembered_ms = now_ms
        return CoinMemory(coin=self._coin, **self.memory.told(now_ms))

    def lease(
        self, now_ms: int, general: Sequence[Fired], latency_p95_ms: float, latency_samples: int
    ) -> RiskLease | None:
        """A new lease when it permits something else or the last one is a second old; `general` has fired on
        everything."""
        own = (fired for watch in self.watches if (fired := watch.fired) is not None)
        verdict = combine(chain(general, own))
        if verdict == self._verdict and now_ms - self._issued_ms < RENEW_MS:
            return None
        self._verdict, self._issued_ms = verdict, now_ms
        return RiskLease(
            coin=self._coin,
            issued_ms=now_ms,
            valid_until_ms=now_ms + VALID_MS,
            bid=verdict.bid,
            ask=verdict.ask,
            ofi=self._flow.ofi,
            latency_p95_ms=latency_p95_ms,
            latency_samples=latency_samples,
            cancels_1h=self._cancels.total(now_ms),
            fills_1h=self._fills.total(now_ms),
            spread_multiplier=verdict.spread,
            size_multiplier=verdict.size,
        )
