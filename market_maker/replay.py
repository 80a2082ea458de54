"""Replay without Redis: the cores of the trading path over a recording, in one process, as fast as it goes.

Time is the recording's. Nothing here reads a clock or a random number, so two runs give the same bytes:
`decisions.jsonl` (every target, lease change, order, configuration and event, in order), `fills.jsonl` (fills and
funding) and `summary.json`. A recording is read as it is played: days take no more memory than minutes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from services import load as load_service
from services.ingestor.inputs import Connected, Disconnected, EventReceived, FrameReceived
from services.venue.market.feed import ALL, Hole, Pacer, Part, Source
from services.venue.market.frames import Frames, decoded, made_up
from services.venue.market.replay import Recording, open_recording
from shared.config import EngineConfig
from shared.config import load as load_settings
from shared.errors import DataError, InvariantError
from shared.messages import (
    AccountState,
    AccountStatus,
    AssetConfigList,
    AssetCtx,
    Book,
    CoinMemory,
    Depth,
    Event,
    FeedHealth,
    Fill,
    Funding,
    GuardMemory,
    Message,
    OrderUpdate,
    PositionState,
    RiskLease,
    TargetQuotes,
    Trades,
    Universe,
)
from shared.pipeline import Pipeline
from shared.words import counted

TRADING_PATH = ("ingestor", "guard", "screener", "quoter", "executor")
RUN_ID = "replay"
_ENCODER = msgspec.json.Encoder()
_NOT_DECISIONS = (
    Book, Depth, Trades, AssetCtx, FeedHealth, Universe, PositionState, AccountStatus, AccountState,
    AssetConfigList, CoinMemory, GuardMemory,
)  # fmt: skip
ZERO = Decimal(0)


@dataclass
class Observer:
    """Writes what was decided, where that is wanted, and recomputes, on its own, what must be true of it."""

    decisions: IO[bytes] | None = None
    fills: IO[bytes] | None = None
    counts: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    books: dict[str, Book] = field(default_factory=dict)
    leases: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    cash_usd: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    account: AccountStatus | None = None
    crossed_quotes: int = 0
    max_position_usd: Decimal = ZERO
    """Largest sum over the coins of |position| at its mark."""

    def __call__(self, now_ms: int, message: Message) -> None:
        if isinstance(message, Book):
            self.books[message.coin] = message
            self.counts["books"] += 1
        elif isinstance(message, Trades):
            self.counts["trades"] += len(message.trades)
        elif isinstance(message, AccountStatus):
            self.account = message
            gross_usd = sum((abs(coin.position_sz) * coin.mark_px for coin in message.coins), ZERO)
            self.max_position_usd = max(self.max_position_usd, gross_usd)
        elif isinstance(message, (Fill, Funding)):
            self._note_money(message)
            if self.fills is not None:
                self.fills.write(_ENCODER.encode(message) + b"\n")
        elif not isinstance(message, _NOT_DECISIONS):
            self._note_decision(message)

    def _note_decision(self, message: Message) -> None:
        if isinstance(message, RiskLease):
            terms = (message.bid, message.ask)
            if self.leases.get(message.coin) == terms:
                return  # a renewal decides nothing
            self.leases[message.coin] = terms
        elif isinstance(message, TargetQuotes):
            self.counts["targets"] += 1
            self.crossed_quotes += self._crosses(message)
        elif isinstance(message, OrderUpdate):
            self.counts[f"orders_{message.status}"] += 1
            if message.status == "rejected":
                self.rejects[message.reason] += 1
        elif isinstance(message, Event):
            self.counts[f"events_{message.level}"] += 1
        if self.decisions is not None:
            self.decisions.write(_ENCODER.encode(message) + b"\n")

    def _crosses(self, target: TargetQuotes) -> int:
        book = self.books.get(target.coin)
        if book is None:
            return len(target.bids) + len(target.asks)
        best_bid, best_ask = book.bids[0].px, book.asks[0].px
        return sum(q.px >= best_ask for q in target.bids) + sum(q.px <= best_bid for q in target.asks)

    def _note_money(self, message: Fill | Funding) -> None:
        coin = message.coin
        if isinstance(message, Funding):
            self.cash_usd[coin] = self.cash_usd.get(coin, ZERO) + message.usd
            return
        self.counts["fills"] += 1
        signed = message.sz if message.side == "bid" else -message.sz
        self.cash_usd[coin] = self.cash_usd.get(coin, ZERO) - signed * message.px - message.fee_usd
        self.positions[coin] = self.positions.get(coin, ZERO) + signed

    def ledger_error_usd(self) -> Decimal:
        """|PnL of the ledger - cash and inventory recomputed from the fills|.

        Raises:
            InvariantError: a position is not the sum of its fills.
        """
        if self.account is None:
            return ZERO
        recomputed = ZERO
        for status in self.account.coins:
            position = self.positions.get(status.coin, ZERO)
            if position != status.position_sz:
                text = f"{status.coin}: ledger says {status.position_sz}, the fills sum up to {position}"
                raise InvariantError(text)
            recomputed += self.cash_usd.get(status.coin, ZERO) + position * status.mark_px
        return abs(recomputed - self.account.pnl_usd)


def run_replay(
    recording: Path,
    out: Path,
    progress: Callable[[float], None] = lambda _: None,
    part: Part = ALL,
    **settings: Any,
) -> dict[str, Any]:
    """Replay `recording` into the folder `out`; returns the content of `summary.json`.

    `progress` is called with the fraction done. `settings` override those of every service that has them.

    Raises:
        DataError: not a recording, or damaged.
        ConfigError: a setting is wrong.
    """
    opened, configs = open_recording(recording, part), path_settings(settings)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with open(out / "decisions.jsonl", "wb") as decisions, open(out / "fills.jsonl", "wb") as fills:
            observer = Observer(decisions, fills)
            play(opened, observer, configs, progress)
        summary = summary_of(opened, observer)
        (out / "summary.json").write_bytes(msgspec.json.format(_ENCODER.encode(summary), indent=2) + b"\n")
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error}; choose another --out") from error
    return summary


def path_settings(settings: Mapping[str, Any]) -> dict[str, EngineConfig]:
    """The settings of each service of the trading path, with these in place of what files and environment say.

    Raises:
        ConfigError: one of them is wrong.
    """
    configs: dict[str, EngineConfig] = {}
    for name in TRADING_PATH:
        model = load_service(name).config
        own = {key: value for key, value in settings.items() if key in model.model_fields}
        configs[name] = load_settings(model, **{"run_id": RUN_ID, **own})
    return configs


def play(
    recording: Recording | Frames,
    observer: Observer,
    configs: Mapping[str, EngineConfig],
    progress: Callable[[float], None] = lambda _: None,
) -> None:
    """The trading path with these settings over the whole recording."""
    services = [load_service(name) for name in TRADING_PATH]
    parts = [(service, service.core(configs[service.name])) for service in services]
    start_ms, span_ms = recording.start_ms, max(recording.end_ms - recording.start_ms, 1)
    pipeline = Pipeline(parts, observer, start_ms)
    universe = Universe(coins=recording.coins, time_ms=start_ms)
    for name in TRADING_PATH:
        pipeline.feed(start_ms, name, universe)
    pipeline.feed(start_ms, "ingestor", Connected())
    now_ms, shown = start_ms, 0
    for time_ms, item in socket_events(recording):
        now_ms = max(now_ms, time_ms)
        pipeline.feed(now_ms, "ingestor", item)
        if (now_ms - start_ms) * 200 // span_ms > shown:
            shown = (now_ms - start_ms) * 200 // span_ms
            progress(shown / 200)
    pipeline.stop(now_ms)
    progress(1.0)


def socket_events(recording: Source | Frames) -> Iterator[tuple[int, Any]]:
    """What the ingestor's socket would have brought; a hole of the recording is a connection that was lost."""
    if isinstance(recording, Frames):
        yield from _received(recording)
        return
    pacer = Pacer()
    connected_ms = recording.start_ms
    for time_ms, raw in recording.raw():
        if isinstance(raw, Hole):
            if raw.end_ms > connected_ms and raw.end_ms - connected_ms > 1000:
                connected_ms = raw.end_ms
                yield time_ms, Connected()
            pacer = Pacer()
        for event in pacer.step(time_ms, raw):
            yield time_ms, EventReceived(event, float(time_ms))


def _received(recording: Frames) -> Iterator[tuple[int, Any]]:
    """Frame by frame what the recorder's socket brought, the ends of its connections too."""
    contexts, begun = recording.made_up(), False
    for received_ms, frame, mark in recording.lines():
        now_ms = int(received_ms)
        if mark == "connected":
            if begun:
                yield now_ms, Connected()
        elif mark is not None:
            yield now_ms, Disconnected(mark.lost)
        else:
            yield now_ms, FrameReceived(frame.encode(), received_ms)
            event = decoded(frame) if contexts else None
            if event is not None:
                for _, ctx in made_up(contexts, now_ms, event):
                    yield now_ms, EventReceived(ctx, received_ms)
        begun = True


def summary_of(recording: Recording | Frames, observer: Observer) -> dict[str, Any]:
    """
    Raises:
        InvariantError: the ledger's PnL is not that of its fills.
    """
    error_usd = observer.ledger_error_usd()
    if error_usd > Decimal("1e-9"):
        raise InvariantError(f"the ledger and its fills differ by ${error_usd}")
    account = observer.account
    return {
        "recording": recording.path.name,
        "coins": [meta.coin for meta in recording.coins],
        "start_ms": recording.start_ms,
        "end_ms": recording.end_ms,
        "warnings": recording.warnings,
        "counts": dict(sorted(observer.counts.items())),
        "rejects": dict(sorted(observer.rejects.items())),
        "crossed_quotes": observer.crossed_quotes,
        "max_position_usd": observer.max_position_usd,
        "ledger_error_usd": error_usd,
        "session": account,
    }


@contextmanager
def shown_progress(name: str) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal's standard error; silent elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(f"replaying {name}", total=1.0)
        yield lambda done: bar.update(task, completed=done)


def render(summary: dict[str, Any], out: Path) -> list[str]:
    """The summary in a few lines for people."""
    counts, session = summary["counts"], summary["session"]
    minutes = (summary["end_ms"] - summary["start_ms"]) / 60_000
    lines = [
        f"{summary['recording']}: {counted(len(summary['coins']), 'coin')}, {minutes:.1f} minutes,"
        f" {counts['books']} books, {counts['trades']} trades",
        f"  {counts.get('targets', 0)} targets; orders: {counts.get('orders_pending', 0)} placed,"
        f" {counts.get('orders_canceled', 0)} cancelled, {counts.get('orders_rejected', 0)} rejected",
        f"  {summary['crossed_quotes']} crossed quotes;"
        f" ledger and fills differ by ${summary['ledger_error_usd']:.9f}",
    ]
    if session is not None:
        lines.append(
            f"  PnL ${session.pnl_usd:.4f} = marked to mid, after fees ${session.fees_usd:.4f} and funding"
            f" ${session.funding_usd:.4f}; {session.fills} fills, volume ${session.volume_usd:.2f}"
        )
        for coin in session.coins:
            pnl_usd = coin.realized_usd + coin.unrealized_usd - coin.fees_usd + coin.funding_usd
            lines.append(
                f"    {coin.coin:10} PnL ${pnl_usd:9.4f}  fills {coin.fills:5}  volume ${coin.volume_usd:10.2f}"
                f"  fees ${coin.fees_usd:8.4f}  position {coin.position_sz}"
            )
    lines += [f"  warning: {warning}" for warning in summary["warnings"]]
    return [*lines, f"  written to {out}"]
