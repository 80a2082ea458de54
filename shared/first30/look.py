"""What the first half hour looks at, once a second: taken from the newest messages, whoever has read them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.messages import (
    SILENT_MS,
    AccountStatus,
    AssetConfig,
    Book,
    CoinStatus,
    HaltState,
    LiveStatus,
    Mode,
    Reason,
    RiskReport,
    TargetQuotes,
)

FRESH_BOOK_MS = 5_000
ON_PURPOSE = frozenset({Reason.COIN_DISABLED, Reason.NEGATIVE_EDGE})
"""A coin without a quote for such a reason is not meant to have one."""


@dataclass(frozen=True, slots=True)
class CoinLook:
    """One coin."""

    coin: str
    fresh: bool
    resting: int
    why_not: str
    """Reason codes of the sides without an order."""
    wanted: bool
    """Is it meant to be quoted?"""
    position_usd: float
    limit_usd: float | None
    spread_bps: float | None
    """The wider of the market's spread and our own, each from touch to touch."""
    reach_bps: float | None
    """1/κ of the screener's newest settings; None: not measured."""
    adverse_bps: float | None
    adverse_n: int
    """Orders on which the measured adverse selection rests."""
    placed: int = 0
    """Orders sent in this session."""


@dataclass(frozen=True, slots=True)
class Money:
    """Of the session, in USD."""

    pnl: float
    peak: float
    equity: float
    volume: float
    fills: int


@dataclass(frozen=True, slots=True)
class Look:
    """Everything at one moment."""

    time_ms: float
    mode: Mode
    session_start_ms: int
    silent: bool
    """The executor has not been heard of lately."""
    money: Money
    coins: tuple[CoinLook, ...]
    halted: str = ""
    """By whom and why; empty while trading."""
    near: tuple[str, float] | None = None
    """The rule closest to halting everything, and the part of the way that is gone."""
    live: LiveStatus | None = None

    @property
    def resting(self) -> int:
        return 0 if self.silent else sum(coin.resting for coin in self.coins)


def look_at(
    now_ms: float,
    names: Iterable[str],
    account: AccountStatus,
    halt: HaltState | None,
    risk: RiskReport | None,
    books: Mapping[str, Book],
    targets: Mapping[str, TargetQuotes],
    configs: Mapping[str, AssetConfig],
) -> Look:
    """The look that these messages give; names are those of the universe."""
    lines = {line.coin: line for line in account.coins}
    equity = (
        account.equity_usd if account.equity_usd is not None else account.starting_balance_usd + account.pnl_usd
    )
    return Look(
        time_ms=now_ms,
        mode=account.mode,
        session_start_ms=account.session_start_ms,
        silent=now_ms - account.time_ms > SILENT_MS,
        money=Money(
            pnl=float(account.pnl_usd),
            peak=float(account.peak_pnl_usd),
            equity=float(equity),
            volume=float(account.volume_usd),
            fills=account.fills,
        ),
        coins=tuple(
            _coin(now_ms, name, lines.get(name), books.get(name), targets.get(name), configs.get(name))
            for name in dict.fromkeys((*names, *lines))
        ),
        halted=f"{halt.who}: {halt.reason}" if halt is not None and halt.halted else "",
        near=_near(risk),
        live=account.live,
    )


def _coin(
    now_ms: float,
    name: str,
    line: CoinStatus | None,
    book: Book | None,
    target: TargetQuotes | None,
    config: AssetConfig | None,
) -> CoinLook:
    reasons = _reasons(line, target)
    parts = config.parts if config is not None else None
    limit = target.max_inv_usd if target is not None else config.max_inv_usd if config is not None else None
    return CoinLook(
        coin=name,
        fresh=book is not None and now_ms - book.received_ms <= FRESH_BOOK_MS,
        resting=line.resting_bids + line.resting_asks if line is not None else 0,
        why_not=", ".join(dict.fromkeys(reason.value for reason in reasons)),
        wanted=(config is None or config.enabled) and not ON_PURPOSE.intersection(reasons),
        position_usd=float(line.position_sz * line.mark_px) if line is not None else 0.0,
        limit_usd=limit,
        spread_bps=_spread_bps(line, book),
        reach_bps=parts.reach_bps if parts is not None else None,
        adverse_bps=parts.adverse_bps if parts is not None else None,
        adverse_n=parts.adverse_n if parts is not None else 0,
        placed=line.orders_placed if line is not None else 0,
    )


def _reasons(line: CoinStatus | None, target: TargetQuotes | None) -> list[Reason]:
    """The executor's word first, else the quoter's; of the sides where nothing rests."""
    if line is None:
        return [Reason.NO_TARGET]
    bid = None if line.resting_bids else line.bid_reason or (target.bid_reason if target else Reason.NO_TARGET)
    ask = None if line.resting_asks else line.ask_reason or (target.ask_reason if target else Reason.NO_TARGET)
    return [reason for reason in (bid, ask) if reason is not None]


def _spread_bps(line: CoinStatus | None, book: Book | None) -> float | None:
    market = book.spread_bps if book is not None else None
    if line is None or line.best_bid_px is None or line.best_ask_px is None:
        return market
    bid, ask = float(line.best_bid_px), float(line.best_ask_px)
    return max(market or 0.0, (ask - bid) / (ask + bid) * 2e4)


def _near(risk: RiskReport | None) -> tuple[str, float] | None:
    close = [
        (rule.rule, abs(rule.value) / rule.limit)
        for rule in (risk.rules if risk is not None else ())
        if rule.level == "halt" and rule.value is not None and rule.limit > 0
    ]
    return max(close, key=lambda rule: rule[1], default=None)
