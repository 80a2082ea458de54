"""`market_maker gates`: look at everything, say what is missing, leave the evidence."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from analysis.answer import Answer
from analysis.integrity import examine
from analysis.render.terminal import stdout
from analysis.run import Asked, analyse
from analysis.store import Store, open_store, recorded_coins
from market_maker.data_folder import owner
from market_maker.gates import assembly, keys, show, statements
from market_maker.gates.assembly import Findings
from market_maker.gates.checklist import Recorded, checklist, saturday
from market_maker.gates.runs import runs_of
from market_maker.gates.shadow import DAY_MS, HOUR_MS, read_shadow
from market_maker.live.gates import Evidence, Statement, Subject, read_evidence, write_evidence
from market_maker.live.preflight import gate_subject
from market_maker.options import Checked, Options, check
from shared import incidents
from shared.clock import utc_day, wall_ms
from shared.errors import ConfigError, DataError, MarketMakerError

LOOKBACK_DAYS = 14
"""Markets change: what is older decides nothing. Two weekends fit."""
GO, NOT_GO = 0, 2

Step = Callable[[float, str], None]
"""Told the fraction done, and what is done now."""
MARKET = Asked(gates=frozenset({1, 2, 3, 4}), everything=False)
MARKET_SHARE = 0.8
"""Of the whole work."""


class Wanted(NamedTuple):
    """`data_dir`: None for that of the settings. `options`: the flags of the start that is meant."""

    options: Options
    data_dir: Path | None = None
    ask: bool = False
    as_json: bool = False
    report: Path | None = None


class _Market(NamedTuple):
    """What the files say; `why_not` where there are none."""

    recorded: Recorded
    answer: Answer | None = None
    span_ms: tuple[int, int] | None = None
    coins: tuple[str, ...] = ()
    why_not: str = ""


def run(wanted: Wanted) -> int:
    """The checklist on standard output, its evidence in the data folder; 0 when every gate is GO.

    Raises:
        ConfigError: settings, or a person is needed and none is there.
        MarketMakerError: the evidence cannot be written.
    """
    checked = check(wanted.options)
    data_dir = wanted.data_dir or checked.launcher.data_dir
    if not data_dir.is_dir():
        raise ConfigError(f"{data_dir}: no such folder; ./start_mm_bot.sh records there, --data names another")
    subject, now_ms = replace(gate_subject(checked), venue=owner(data_dir)), int(wall_ms())
    asked = statements.questions(checked.configs, subject.account)
    said = _said(wanted, checked, data_dir, asked, subject, now_ms)
    with _progress() as step:
        market = _look(data_dir, checked, subject, now_ms, step)
        step(0.95, "keys")
        key_item = keys.item(checked, subject.venue)
    items = (
        *assembly.market_items(market.answer.sections if market.answer else (), market.why_not),
        saturday(market.recorded),
        *checklist(market.recorded),
        key_item,
        *statements.items(asked, said),
    )
    findings = Findings(
        subject=subject,
        made_ms=now_ms,
        gates=assembly.grouped(items),
        sections=market.answer.sections if market.answer else (),
        statements=said,
        shadow=market.recorded.shadow,
        span_ms=market.span_ms,
        coins=market.coins,
    )
    document = assembly.document(findings)
    kept = _keep(data_dir, checked, findings.evidence, document)
    if wanted.report is not None:
        if market.answer is None:
            raise ConfigError(f"--report: there is nothing to report; {market.why_not}")
        show.write_page(findings, market.answer.about, wanted.report)
    if wanted.as_json:
        print(document.decode(), end="")
    else:
        show.show(findings, kept, stdout())
    return GO if findings.verdict == "GO" else NOT_GO


def _said(
    wanted: Wanted,
    checked: Checked,
    data_dir: Path,
    asked: tuple[statements.Asked, ...],
    subject: Subject,
    now_ms: int,
) -> tuple[Statement, ...]:
    """Asked first: where nobody is at a terminal, nothing has to be computed to find out."""
    if wanted.ask:
        return tuple(statements.ask(asked, subject.account, now_ms, on_stderr=wanted.as_json))
    try:
        before = read_evidence(data_dir, checked.launcher.confirmation_dir)
    except ConfigError as error:
        print(f"what was said before does not count: {error}", file=sys.stderr)
        return ()
    return statements.carried(before, asked, subject, now_ms)


def _look(data_dir: Path, checked: Checked, subject: Subject, now_ms: int, step: Step) -> _Market:
    since_ms = now_ms - LOOKBACK_DAYS * DAY_MS
    happened = [each for each in incidents.read(data_dir) if each.time_ms <= now_ms]
    recorded = Recorded(
        subject=subject,
        now_ms=now_ms,
        balance_usd=float(checked.launcher.starting_balance_usd),
        incidents=[each for each in happened if each.time_ms >= since_ms],
        runs=runs_of(happened),
    )
    try:
        with open_store(data_dir, _meant(checked, data_dir), utc_day(since_ms), some=True) as store:
            return _measured(store, recorded, since_ms, step)
    except DataError as error:
        return _Market(recorded, why_not=f"nothing of the last {LOOKBACK_DAYS} days to look at ({error})")


def _meant(checked: Checked, data_dir: Path) -> tuple[str, ...]:
    """What the start may quote: the coins it names, or else those recorded of its dex. Others prove nothing."""
    config = checked.launcher
    if config.coins:
        return config.coins
    of_dex = tuple(coin for coin in recorded_coins(data_dir) if coin.rpartition(":")[0] == config.dex)
    if not of_dex and recorded_coins(data_dir):
        raise DataError(f"{data_dir}: no coin of {config.dex or 'the main dex'} was recorded there")
    return of_dex


def _measured(store: Store, recorded: Recorded, since_ms: int, step: Step) -> _Market:
    answer = analyse(store, MARKET, lambda done, now="": step(MARKET_SHARE * done, now))
    step(MARKET_SHARE, "is the data whole?")
    whole = examine(store.data_dir, store.coins, utc_day(since_ms), now_ms=recorded.now_ms)
    step(0.9, "fills and account")
    found = replace(
        recorded,
        shadow=read_shadow(store, recorded.runs, recorded.subject, since_ms),
        data_hours=whole.span_ms / HOUR_MS,
        critical_gaps=whole.critical_gaps,
        damage=whole.judgement.reason if whole.critical_findings else "",
    )
    return _Market(found, answer, store.span, store.coins)


def _keep(data_dir: Path, checked: Checked, evidence: Evidence, document: bytes) -> Path:
    try:
        return write_evidence(data_dir, checked.launcher.confirmation_dir, evidence, document)
    except OSError as error:
        raise MarketMakerError(f"the evidence cannot be kept in {data_dir / 'state'}: {error}") from error


@contextmanager
def _progress() -> Iterator[Step]:
    """A bar on standard error, where that is a terminal."""
    console = Console(stderr=True)
    columns = BarColumn(), TaskProgressColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda done, now: bar.update(task, completed=done, description=now)
