"""Minutes of the account: from a status each second to one row a minute and coin.

The row stands at the minute's begin and counts seconds in which something was said. What the bus still holds
after a restart is counted again from its beginning, so a minute that a crash cut in two comes out whole.
"""

from dataclasses import dataclass

from services.harvester.rows import Row, account_row
from services.harvester.runs import Runs
from shared.config import EngineConfig
from shared.messages import AccountStatus, AssetConfig, CoinStatus, Mode, Reason

MINUTE_MS = 60_000
SILENCE_MS = 5000
"""A minute that is over is closed when nothing more of it came for so long, or with the first word of the next."""


@dataclass(slots=True)
class Seconds:
    """Bits 0 to 59, one a second: the same said twice counts once."""

    status: CoinStatus
    seen: int = 0
    two_sided: int = 0
    at_limit: int = 0
    halted: int = 0

    def add(self, second: int, status: CoinStatus) -> None:
        reasons = (status.bid_reason, status.ask_reason)
        bit = 1 << second
        self.status = status
        self.seen |= bit
        self.two_sided |= bit * bool(status.resting_bids and status.resting_asks)
        self.at_limit |= bit * (Reason.MAX_INVENTORY in reasons)
        self.halted |= bit * all(reason is Reason.HALTED for reason in reasons)


class Minutes:
    """The minute that is under way."""

    def __init__(self, config: EngineConfig, runs: Runs) -> None:
        self._config, self._runs = config, runs
        self._limits_usd: dict[str, float] = {}
        self._coins: dict[str, Seconds] = {}
        self._minute_ms = self._said_ms = self._heard_ms = 0
        self._session: tuple[Mode, int] | None = None
        self._run_id = ""

    def set_limit(self, asset: AssetConfig) -> None:
        self._limits_usd[asset.coin] = asset.max_inv_usd

    def take(self, now_ms: int, status: AccountStatus) -> list[Row]:
        """Rows of the minute before, when this one is the first of another minute or session."""
        minute_ms = status.time_ms - status.time_ms % MINUTE_MS
        session = (status.mode, status.session_start_ms)
        if minute_ms < self._minute_ms or (session == self._session and status.time_ms < self._said_ms):
            return []
        rows = self.close() if (minute_ms, session) != (self._minute_ms, self._session) else []
        self._minute_ms, self._session, self._run_id = minute_ms, session, self._runs.of(status)
        self._said_ms, self._heard_ms = status.time_ms, now_ms
        second = (status.time_ms - minute_ms) // 1000
        for coin in status.coins:
            self._coins.setdefault(coin.coin, Seconds(coin)).add(second, coin)
        return rows

    def tick(self, now_ms: int) -> list[Row]:
        over = now_ms >= self._minute_ms + MINUTE_MS and now_ms - self._heard_ms >= SILENCE_MS
        return self.close() if over else []

    def close(self) -> list[Row]:
        """The minute as far as it is known."""
        coins, self._coins = self._coins, {}
        return [self._row(coin, seconds) for coin, seconds in coins.items()]

    def _row(self, coin: str, seconds: Seconds) -> Row:
        assert self._session is not None
        limit_usd = self._limits_usd.get(coin)
        if limit_usd is None:
            limit_usd = self._config.sized(AssetConfig(coin=coin)).max_inv_usd
        counts = (seconds.seen, seconds.two_sided, seconds.at_limit, seconds.halted)
        return account_row(
            self._minute_ms,
            self._run_id,
            self._session[0],
            seconds.status,
            limit_usd,
            tuple(bits.bit_count() for bits in counts),
        )
