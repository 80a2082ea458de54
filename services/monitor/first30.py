"""The first half hour of a live session, told in the combined log: each verdict that changes, and a summary."""

from collections.abc import Iterator

from services.monitor.coin import Coin
from shared.first30.checks import MM
from shared.first30.look import Look, look_at
from shared.first30.watch import ANY_TIME, MINUTES, First30, Item
from shared.messages import AccountStatus, Event, HaltState, RiskReport, Severity

TAG = "FIRST30"
LOOK_EVERY_MS = 1_000
_LEVELS: dict[str, Severity] = {"WARN": "warning", "RED": "error"}


class FirstMinutes:
    """Begins by itself with a live session that is younger than half an hour; `market_maker first30` shows the
    same in full."""

    def __init__(self) -> None:
        self._session_ms = 0
        self._watch: First30 | None = None
        self._looked_ms = 0

    def tick(
        self,
        now_ms: int,
        account: AccountStatus | None,
        halt: HaltState | None,
        risk: RiskReport | None,
        coins: dict[str, Coin],
    ) -> Iterator[Event]:
        if account is None or account.mode != "live" or now_ms - self._looked_ms < LOOK_EVERY_MS:
            return
        self._looked_ms = now_ms
        if self._watch is None and account.session_start_ms == self._session_ms:
            return
        look = look_at(
            now_ms,
            tuple(coins),
            account,
            halt,
            risk,
            books={name: coin.book for name, coin in coins.items() if coin.book is not None},
            targets={name: coin.target for name, coin in coins.items() if coin.target is not None},
            configs={name: coin.config for name, coin in coins.items() if coin.config is not None},
        )
        if account.session_start_ms != self._session_ms:
            yield from self._begin(look)
        elif self._watch is not None:
            yield from (_line(item) for item in self._watch.take(look))
            if self._watch.over:
                verdict = self._watch.verdict
                yield Event(level=_LEVELS.get(verdict, "info"), tag=TAG, text=self._watch.summary())
                self._watch = None

    def _begin(self, look: Look) -> Iterator[Event]:
        self._session_ms = look.session_start_ms
        age_ms = look.time_ms - look.session_start_ms
        self._watch = First30(look) if age_ms < MINUTES * 60_000 else None
        if self._watch is not None:
            text = f"watching the first {MINUTES:.0f} minutes of this session; {MM} first30 shows all"
            yield Event(tag=TAG, text=text)
            yield from (_line(item) for item in self._watch.items.values() if _worth_telling(item))


def _worth_telling(item: Item) -> bool:
    """At the beginning: what is there already, and a flag only if it is not well."""
    return item.verdict in _LEVELS or (item.verdict == "ok" and item.stage != ANY_TIME)


def _line(item: Item) -> Event:
    return Event(level=_LEVELS.get(item.verdict, "info"), tag=TAG, text=item.text)
