"""A start as its user sees it: check, start, wait for quotes, say where to look; or run for a while and sum up."""

import asyncio
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf
from pathlib import Path

import msgspec

from market_maker import compose, local, run_notes, sizes
from market_maker.deployment import (
    Deployment,
    Live,
    Record,
    bus_url,
    read_record,
    read_supervisor,
    supervisor_pid,
    write_record,
)
from market_maker.launch_lines import progress, starting, where_to_look
from market_maker.options import Checked, Options, check, venue_url
from market_maker.preflight import ask_venue, docker_problem
from market_maker.snapshot import Snapshot, beginning, look
from market_maker.summary import Watch, memory_of, render, summarise
from shared.clock import monotonic_s, utc, wall_ms
from shared.confirmation import void
from shared.errors import BusError, ConfigError, MarketMakerError, VenueError
from shared.redis_bus import RedisBus
from shared.words import counted

LOOK_EVERY_S = 0.5
PROGRESS_EVERY_S = 10.0
SETTLE_S = 8.0
"""After the first quote: how long we wait for most of the other coins before we report."""
MOST = 5 / 6
GATE_FAILED, TIMED_OUT = 2, 5

Say = Callable[[str], None]


@dataclass
class Session:
    """One start and what belongs to it."""

    checked: Checked
    options: Options
    record: Record
    supervisor: "subprocess.Popen[bytes] | None" = None

    @property
    def run_dir(self) -> Path:
        return self.checked.launcher.run_dir

    def require_healthy(self) -> None:
        """
        Raises:
            MarketMakerError: the start failed for good.
        """
        if self.supervisor is not None:
            log_dir = self.checked.launcher.log_dir
            local.require_healthy(self.run_dir, log_dir, self.record.run_id, self.supervisor)


def launch(options: Options) -> int:
    """The whole of `start_mm_bot.sh` but the flags that do not start anything; returns the exit code."""
    say = _to_stderr if options.as_json else _to_stdout
    checked = check(options)
    refuse_second_start(checked.launcher.run_dir)
    deployment = _deployment(options, checked, say)
    record = _record(checked, deployment)
    if not checked.launcher.shadow_mode:
        from market_maker.live.start import NoEvidence

        try:
            record = _confirmed(options, checked, record, say)
        except NoEvidence as error:
            print(f"error: {error}", file=sys.stderr)
            return GATE_FAILED
    else:
        if not checked.bundled_venue:
            _require_venue(checked.launcher.url)
        _say_all(say, sizes.lines(checked.configs))
    session = _start(options, checked, record, say)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl+C: stop what we started, then end
    watch = Watch(wall_ms())
    try:
        quoting = asyncio.run(_until_quoting(session, watch, say))
        if options.duration_s is None:
            _say_all(say, where_to_look(session.record))
            return 0 if quoting else TIMED_OUT
        asyncio.run(_for_a_while(session, watch, options.duration_s, say))
    except KeyboardInterrupt:
        say("Interrupted: stopping everything.")
        if options.duration_s is None:
            _say_all(say, stop(session.run_dir))
            return 130
    except MarketMakerError:
        _say_all(say, stop(session.run_dir))
        raise
    return _finish(session, watch, say)


def refuse_second_start(run_dir: Path) -> None:
    """
    Raises:
        MarketMakerError: something of this project runs already.
    """
    pid = supervisor_pid(run_dir)
    record = read_record(run_dir)
    if pid is None and record is not None and record.deployment == "docker" and compose.running(run_dir):
        raise MarketMakerError("already running in Docker; stop it with ./start_mm_bot.sh --stop")
    if pid is not None:
        raise MarketMakerError(f"already running (supervisor pid {pid}); stop it with ./start_mm_bot.sh --stop")


def stop(run_dir: Path) -> Iterable[str]:
    """Stop what was started last, without a record whatever runs; yields lines to show, none when nothing ran. A
    confirmation of live trading is over with the start that it was given for, also where that has ended by
    itself."""
    record = read_record(run_dir)
    if record is not None and record.live is not None and void(Path(record.live.confirmation_dir)):
        yield "The confirmation of live trading is taken back."
    ran = supervisor_pid(run_dir) is not None
    if ran:
        yield from local.stop(run_dir)
    in_docker = record is None or record.deployment == "docker"
    if in_docker and docker_problem() is None and compose.running(run_dir):
        ran = True
        yield from compose.stop(run_dir)
    if ran and record is not None and record.data_dir and (fault := run_notes.note_stop(record)):
        yield fault


def _require_venue(url: str) -> None:
    try:
        ask_venue(url)
    except VenueError as error:
        raise VenueError(
            f"{error}. Nothing was started; `./start_mm_bot.sh --demo` runs on a simulated venue without network."
        ) from error


def _deployment(options: Options, checked: Checked, say: Say) -> Deployment:
    """As asked for; else Docker where it can be.

    Raises:
        ConfigError: Docker is insisted on and cannot be, or a container could not read its key.
    """
    if options.deployment != "local":
        obstacle = docker_problem() or compose.obstacle(checked)
        if obstacle is None:
            if not checked.launcher.shadow_mode:
                compose.require_readable_keys(checked)
            return "docker"
        if options.deployment == "docker":
            raise ConfigError(f"--docker: {obstacle}")
        say(f"{obstacle}: running locally, as processes.")
    return "local"


def _record(checked: Checked, deployment: Deployment) -> Record:
    config = checked.launcher
    socket = (config.run_dir / "redis.sock").resolve()
    return Record(
        deployment=deployment,
        venue=config.venue,
        venue_url=venue_url(checked.venue),
        run_id=f"{utc(wall_ms()):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
        started_ms=int(wall_ms()),
        redis_url=f"unix://{socket}" if deployment == "local" else f"redis://127.0.0.1:{config.redis_port}",
        redis_port=config.redis_port,
        metrics_url=f"http://127.0.0.1:{config.grid_metrics_port}/metrics",
        log_dir=str(config.log_dir.resolve()),
        secrets_dir=str(config.secrets_dir.resolve()),
        data_dir=str(run_notes.data_dir(checked, deployment)),
    )


def _confirmed(options: Options, checked: Checked, record: Record, say: Say) -> Record:
    """The record of a start that a person has confirmed."""
    from market_maker.live.start import confirmed

    try:
        given = confirmed(checked, options.accept_missing, record.run_id, say, on_stderr=options.as_json)
    except KeyboardInterrupt as error:
        raise MarketMakerError("interrupted: nothing was started") from error
    live = Live(
        account=given.subject.account,
        without=given.without,
        expires_ms=given.expires_ms,
        confirmation_dir=str(checked.launcher.confirmation_dir.resolve()),
    )
    return msgspec.structs.replace(record, live=live)


def _start(options: Options, checked: Checked, record: Record, say: Say) -> Session:
    """Everything on its way up. A confirmation does not outlive a start that fails."""
    say(starting(record))
    run_dir, live = checked.launcher.run_dir, record.live
    supervisor = None
    try:
        if record.deployment == "local":
            supervisor, moved = local.start(checked, record.run_id, foreground=options.duration_s is not None)
            if moved:
                say(moved)
        write_record(run_dir, record)
        if record.deployment == "docker":
            _say_all(say, compose.start(checked, record.run_id))
        if fault := run_notes.note_start(checked, record):
            say(fault)
    except BaseException:
        if live is not None:
            void(Path(live.confirmation_dir))
        raise
    return Session(checked, options, record, supervisor)


async def _until_quoting(session: Session, watch: Watch, say: Say) -> bool:
    """Show how the stack comes up until most coins are quoted; False when nothing was within the time limit."""
    bus = RedisBus(bus_url(session.run_dir))
    begun_s, quoting_since_s = monotonic_s(), None
    patience_s = min(session.checked.launcher.start_timeout_s, session.options.duration_s or inf)
    said: set[str] = set()

    def once(topic: str, text: str) -> None:
        if topic not in said:
            said.add(topic)
            say(f"  {monotonic_s() - begun_s:5.1f} s  {text}")

    try:
        while True:
            snapshot = await _look(bus, session)
            if snapshot is not None:
                watch.take(snapshot, _memory(session, snapshot))
                if snapshot.books and watch.first_quote_ms is None:
                    watch.take_beginning(await beginning(bus, snapshot.coins))
                _say_progress(session, snapshot, watch, once)
                if snapshot.resting_both_sides and quoting_since_s is None:
                    quoting_since_s = monotonic_s()
                if quoting_since_s is not None:
                    enough = len(snapshot.resting_both_sides) >= MOST * len(snapshot.coins)
                    if enough or monotonic_s() - quoting_since_s > SETTLE_S:
                        once("both", f"{counted(len(snapshot.resting_both_sides), 'coin')} quoting both sides")
                        return True
                if snapshot.halt.halted:
                    once("halt", f"HALTED: {snapshot.halt.reason} (market_maker resume clears it)")
                    return True
            if monotonic_s() - begun_s > patience_s:
                reasons = (
                    ", ".join(f"{name} ×{count}" for name, count in snapshot.reasons.items()) if snapshot else ""
                )
                once("late", f"no two-sided quote yet; reasons: {reasons or 'the bus does not answer'}")
                return False
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        await bus.close()


def _say_progress(session: Session, snapshot: Snapshot, watch: Watch, once: Callable[[str, str], None]) -> None:
    once("redis", "Redis up")
    if session.checked.bundled_venue:
        once("venue", f"venue up ({session.checked.launcher.venue})")
    if snapshot.coins and len(snapshot.fresh_books) == len(snapshot.coins):
        once("books", f"{counted(len(snapshot.coins), 'coin')} with fresh books")
    if watch.first_quote_after_book_s is not None:
        once("quote", f"first quote {watch.first_quote_after_book_s:.2f} s after the first book")


async def _look(bus: RedisBus, session: Session) -> Snapshot | None:
    """A look, or None while the bus is not there.

    Raises:
        MarketMakerError: the start failed for good.
    """
    session.require_healthy()
    try:
        return await look(bus, wall_ms())
    except BusError:
        return None


async def _for_a_while(session: Session, watch: Watch, duration_s: float, say: Say) -> None:
    """Until `duration_s` after the start, with a line every ten seconds."""
    bus = RedisBus(bus_url(session.run_dir))
    end_s = monotonic_s() + duration_s - (wall_ms() - watch.started_ms) / 1000
    next_line_s = monotonic_s()
    try:
        while monotonic_s() < end_s:
            snapshot = await _look(bus, session)
            if snapshot is not None:
                watch.take(snapshot, _memory(session, snapshot))
                if monotonic_s() >= next_line_s:
                    say(progress(snapshot, end_s - monotonic_s()))
                    next_line_s += PROGRESS_EVERY_S
            await asyncio.sleep(min(LOOK_EVERY_S, max(0.0, end_s - monotonic_s())))
    finally:
        await bus.close()


def _memory(session: Session, snapshot: Snapshot) -> dict[str, float]:
    """What the system says of our processes; containers say it themselves, in their heartbeats."""
    if session.record.deployment == "docker":
        return {name: beat.rss_mb for name, beat in snapshot.heartbeats.items()}
    state = read_supervisor(session.run_dir)
    return memory_of(state) if state else {}


def _finish(session: Session, watch: Watch, say: Say) -> int:
    """Stop everything and print the summary."""
    state = read_supervisor(session.run_dir) if session.record.deployment == "local" else None
    restarts = {name: child.restarts for name, child in state.children.items()} if state else {}
    ended_ms = wall_ms()
    _say_all(say, stop(session.run_dir))
    record = session.record
    summary = summarise(
        watch,
        ended_ms,
        restarts,
        mode=record.mode,
        venue=record.venue,
        deployment=record.deployment,
        run_id=record.run_id,
    )
    if session.options.as_json:
        print(json.dumps(summary, indent=1))
    else:
        _say_all(say, render(summary))
    return 0


def _say_all(say: Say, lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _to_stdout(text: str) -> None:
    print(text, flush=True)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
