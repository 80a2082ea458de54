"""docs/logs.md against what is written: every line stands there, and every line there has really been said.

The services' own tests drive their cores to each line; here they are listened to.
"""

import ast
import asyncio
import io
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from services import SERVICES
from services import __main__ as entry
from services.guard.config import GuardConfig
from services.harvester.config import HarvesterConfig
from services.harvester.core import Closed, Harvester, MovedAside, Repaired
from services.monitor.alerts import Alert, Notified, NotListening
from services.monitor.config import MonitorConfig
from services.monitor.core import Monitor
from services.venue.config import VenueConfig
from services.venue.core import Listening, RecordingOver, VenueCore, Warned
from shared.errors import BusError, InvariantError
from shared.hyperliquid.replies import Answered, NotSent, Reason, Refused
from shared.log import Log, parse, render
from shared.memory_bus import MemoryBus
from shared.messages import Event, HaltState, Message
from shared.runtime import Runtime
from shared.service import Service, Started, Stopping, Tick
from tests.conftest import wait_until
from tests.fixtures.live_books import LiveBooks
from tests.fixtures.live_core import LiveWorld, confirmation
from tests.fixtures.live_venue import START_MS, LiveVenue, Network
from tests.fixtures.log_lines import ANYBODY, CORES, overheard, table
from tests.fixtures.make import account_status, live_status
from tests.fixtures.watchdog_bench import GATE, Bench
from tests.unit import (
    test_converter_core,
    test_executor_core,
    test_executor_exits,
    test_guard_checks_at_work,
    test_guard_core,
    test_harvester_core,
    test_ingestor_core,
    test_launch_supervisor,
    test_live_core,
    test_live_recovery,
    test_live_tieout,
    test_log,
    test_monitor_core,
    test_monitor_risk,
    test_quoter_core,
    test_screener_core,
    test_screener_history,
    test_watchdog_core,
)

ROOT = Path(__file__).resolve().parents[2]
LINES = table()
DRIVES: dict[ModuleType, str] = {
    test_converter_core: """a_failed_analysis_is_told_and_stops_nothing
        a_failure_is_an_error_and_is_repeated_within_the_hour
        a_start_just_before_the_daily_time_runs_again_at_it damaged_lines_make_it_a_warning
        the_disk_is_looked_at_every_hour_and_spoken_of_once_a_day""",
    test_executor_core: """a_halt_by_the_guard_ends_the_process_when_nothing_rests_any_more
        a_position_that_is_not_the_sum_of_its_fills_is_named_and_not_quoted
        an_hour_without_a_known_rate_is_reported_and_not_invented
        funding_is_booked_once_at_the_full_hour_on_the_oracle_price""",
    test_executor_exits: """reduce_only_takes_away_what_would_increase_and_cuts_the_rest_to_the_position
        what_is_gone_when_the_slice_arrives_is_not_taken""",
    test_guard_checks_at_work: "a_machine_that_is_full_takes_positions_down_and_nothing_more",
    test_guard_core: """a_budget_that_is_never_renewed_does_not_disarm_the_stop
        after_a_stall_each_coin_waits_for_a_fresh_book buy_dominance_suppresses_the_asks_and_recovers_by_itself
        leases_carry_what_the_request_budget_asks_for_in_steps only_resume_clears_a_halt""",
    test_harvester_core: "switched_off_records_no_market_and_says_so",
    test_ingestor_core: """a_venue_without_living_coins_is_tried_again errors_of_the_venue_are_shown
        latency_is_reported_every_half_minute_in_the_words_of_the_log stall_drops_the_connection_once
        unsorted_and_absurd_numbers_are_malformed""",
    test_live_core: """an_account_that_cannot_be_read_is_told_once_a_minute_with_the_reason
        cancels_that_the_venue_refuses_are_told_with_its_words
        the_end_of_a_process_that_never_reached_the_venue_says_so_as_well
        the_last_words_come_when_nothing_rests_and_the_account_is_proven
        when_the_confirmation_ends_everything_is_cancelled_and_positions_are_kept""",
    test_live_recovery: """a_deposit_while_nobody_was_there_is_stated_and_not_taken_for_a_result
        an_account_with_a_position_begins_with_an_opening_balance_that_is_no_result_of_ours
        an_order_of_another_hand_while_we_quote_stops_us""",
    test_live_tieout: """a_position_that_differs_stops_its_coin_alone_until_it_agrees_again
        money_that_nobody_can_explain_stops_everything_until_a_person_says_it_is_right""",
    test_monitor_core: """a_silent_service_is_named_once_and_so_is_its_return
        money_and_orders_are_those_of_our_own_mode
        the_line_of_the_twin_compares_the_last_ten_minutes""",
    test_monitor_risk: "the_final_state_is_told_once_when_nothing_rests_any_more",
    test_quoter_core: """a_coin_without_config_is_said_once absent_screener_is_said_once
        switched_off_by_hand_or_by_a_negative_edge""",
    test_screener_core: "a_violent_market_is_labelled_halt",
    test_screener_history: """a_profile_that_gets_lost_does_not_bring_back_what_it_had_shown_losing
        first_verdicts_are_no_changes minutes_of_history_are_none""",
    test_watchdog_core: """a_stop_after_the_executor_has_died_cancels_first
        a_venue_that_does_not_answer_is_told_of_once_and_asked_on orders_of_others_are_told_of_once_and_left_alone
        an_executor_that_talks_and_cannot_cancel_is_as_good_as_silent the_executor_returning_ends_the_alarm
        redis_away_is_silence_and_the_line_says_so""",
}
"""The fewest of their tests that say everything."""
QUOTING = ("test_no_quote_lines_on_change_only", "test_an_unknown_strategy_is_an_error_once_and_no_quote",
           "test_governor_and_lease_widen_four_times_at_most_in_all")  # fmt: skip


# ---- drives that no other test takes ---------------------------------------------------------------------------


def quoter() -> None:
    for name in QUOTING:
        run = test_quoter_core.Run()
        run(test_quoter_core.T0, test_quoter_core.lease(), test_quoter_core.book())
        getattr(test_quoter_core, name)(run)


def harvester() -> None:
    core, path = Harvester(HarvesterConfig()), Path("BTC.csv")
    notices = (Started(), Repaired(path, 7), MovedAside(path, Path("BTC.1.csv"), "a,b"))
    for notice in (*notices, Stopping(), Closed(12)):
        list(core.step(1, notice))
    test_harvester_core.test_a_refusing_disk_is_said_once_and_everything_lost_is_counted(
        Harvester(HarvesterConfig())
    )


def venue() -> None:
    core = VenueCore(VenueConfig())
    for notice in (Listening("http://x", 30, "modelled", ("torn end",)), RecordingOver("day"), Warned("odd")):
        list(core.step(1, notice))


def monitor() -> None:
    core = Monitor(MonitorConfig(metrics_port=0))
    list(core.step(1, Started()))
    core = Monitor(MonitorConfig(metrics_port=0, shadow_mode=False))
    list(core.step(1, Started()))
    for now_ms in (10_000, 20_000):
        told = account_status(now_ms, mode="live", session_start_ms=9_000, live=live_status(tied_out_ms=now_ms))
        for message in (told, Tick()):
            list(core.step(now_ms, message))


def alerts() -> None:
    core = Monitor(MonitorConfig())
    labels = {"alertname": "Halted", "severity": "critical", "mode": "shadow"}
    over, firing = (Alert("resolved", labels), Alert("firing", labels))
    for notice in (Notified((over, firing)), NotListening("the port is taken")):
        list(core.step(1, notice))


def clock_set_back() -> None:
    world = LiveWorld(LiveVenue(), confirmed=False)
    world.feed(confirmation(world.venue.now_ms + 2_000))
    world.wait(4_000)


def orders_that_stay() -> None:
    session = LiveBooks(LiveVenue()).until_ready()
    session.quote("BTC", "bid", 90)
    session.wait(1_000)
    again = session.kill()
    again.venue.network = Network(lose_request=1.0)
    while not any("still rest" in line for line in again.lines("RECONCILE")):
        again.wait(5_000)
        assert again.venue.now_ms < START_MS + 600_000, "nobody complains"


def switch_in_trouble() -> None:
    used_up = Refused(Reason.SCHEDULED_CANCEL, "Too many scheduled cancels triggered for the day. Limit is 10.")
    for trouble in (NotSent("no network"), used_up, GATE, Answered()):
        bench = Bench()
        bench.scheduling = trouble
        bench.run(5)


OWN = (quoter, harvester, venue, monitor, alerts, clock_set_back, orders_that_stay, switch_in_trouble)


# ---- what is no core's -----------------------------------------------------------------------------------------


HALTED = HaltState(halted=True)


class Flaky(MemoryBus):
    """A bus that is away at the start, and once more when told."""

    def __init__(self) -> None:
        super().__init__()
        self.away = 1

    async def publish(self, messages: Any) -> None:
        if self.away:
            self.away -= 1
            raise BusError("connection refused")
        await super().publish(messages)

    async def stored(self, *arguments: Any, **more: Any) -> list[Message]:
        if self.away:
            self.away -= 1
            raise BusError("connection refused")
        return await super().stored(*arguments, **more)


class Breaks:
    """A core whose promise does not hold once it is told so."""

    def step(self, now_ms: int, msg: Any) -> list[Any]:
        if msg == HALTED:
            raise InvariantError("the sum is wrong")
        return []


async def runtime(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.runtime._RECONNECT_S", 0.01)
    (folder / "taken").touch()
    bus = Flaky()
    service = Service(name="guard", config=GuardConfig, core=lambda config: Breaks(), metrics_port=0)
    running = Runtime(service, GuardConfig(metrics_port=0, run_dir=folder / "taken"), bus)
    ending = asyncio.create_task(running.run())
    async with asyncio.timeout(10):
        while not said(bus, "HEALTH"):
            await asyncio.sleep(0.01)
        bus.away = 1
        while not said(bus, "BUS", "Redis is back"):
            await asyncio.sleep(0.01)
        with pytest.raises(InvariantError):
            try:
                await running.handle(HALTED)
            except InvariantError as error:
                running.stop(error)
            await ending


def said(bus: MemoryBus, tag: str, text: str = "") -> bool:
    return any(
        f'"tag":"{tag}"'.encode() in body and text.encode() in body for _, body in bus.entries.get("mm:events", ())
    )


def processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How a process begins and ends, on standard error."""
    monkeypatch.setenv("MM_TOP_N", "0")
    assert entry.main(["guard"]) == 4
    monkeypatch.setenv("MM_TOP_N", "2")
    for error in (InvariantError("broken"), ZeroDivisionError("oh")):

        def fail(*arguments: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(entry, "serve", fail)
        assert entry.main(["guard"]) == 1
    entry.after_reboot("guard", GuardConfig(shadow_mode=False, confirmed_boot="another"))


def supervisor(folder: Path) -> str:
    running = test_launch_supervisor.start(folder, [test_launch_supervisor.shell("quoter", "exit 4")])
    wait_until(lambda: test_launch_supervisor.phase(folder) == "failed")
    running.wait(timeout=10)
    return (folder / "logs" / "supervisor.log").read_text()


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Event]]:
    folder = tmp_path_factory.mktemp("lines")
    written = io.StringIO()
    with overheard() as events, pytest.MonkeyPatch.context() as patch:
        for module, names in DRIVES.items():
            for name in names.split():
                getattr(module, f"test_{name}")()
        for drive in OWN:
            drive()
        patch.setattr("sys.stdout", written)
        asyncio.run(runtime(folder, patch))
        patch.setattr("sys.stderr", written)
        processes(folder, patch)
        full = test_log.Disk()
        log = Log("executor", "info", "pretty", full)
        for full.full in (True, False):
            log.write(test_log.FILL)
    texts = (written.getvalue(), full.getvalue(), supervisor(folder))
    lines = [parse(line) for text in texts for line in text.splitlines()]
    assert None not in lines, "a line that nobody can read"
    yield [*events, *(line for line in lines if line is not None and line.text != test_log.FILL.text + " seq=3")]


def test_every_line_of_the_page_is_said(heard: list[Event]) -> None:
    assert not [str(line) for line in LINES if not any(line.fits(event) for event in heard)]


def test_everything_that_is_said_stands_on_the_page(heard: list[Event]) -> None:
    unknown = {(e.service, e.level, e.tag, e.text) for e in heard if not any(line.fits(e) for line in LINES)}
    assert not unknown


# ---- all lines in the code -------------------------------------------------------------------------------------

COMPUTED = {
    "f'{mode.upper()} SESSION'": ("SHADOW SESSION", "LIVE SESSION"),
    "command.action.upper().replace('_', ' ')": ("REDUCE ONLY", "FLATTEN"),
    "record.name": (),
    "tag": (),
}
"""Tags that no constant tells; libraries have their names, and `say` is given its own where it is called."""


def tags() -> Iterator[tuple[str, str]]:
    """Who can say which tag, by the source."""
    for path in sorted(
        [*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py"), ROOT / "market_maker/supervisor.py"]
    ):
        folder = path.relative_to(ROOT).parts[1]
        service = folder if folder in SERVICES else "supervisor" if path.stem == "supervisor" else ANYBODY
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in ("Event", "say"):
                continue
            given = next((word.value for word in node.keywords if word.arg == "tag"), None)
            given = given or (node.args[3] if len(node.args) > 3 else None)
            assert given is not None, f"{path}:{node.lineno}"
            yield from ((service, tag) for tag in _values(given, constants))


def _values(node: ast.expr, constants: dict[str, Any]) -> tuple[str, ...]:
    if isinstance(node, ast.Constant):
        return (node.value,)
    if isinstance(node, ast.Name) and node.id in constants:
        return (constants[node.id],)
    if isinstance(node, ast.IfExp):
        return _values(node.body, constants) + _values(node.orelse, constants)
    return COMPUTED[ast.unparse(node)]


def test_every_tag_in_the_code_stands_on_the_page() -> None:
    known = {(line.service, line.tag) for line in LINES}
    assert not {
        (service, tag) for service, tag in tags() if (service, tag) not in known and (ANYBODY, tag) not in known
    }


def test_every_service_is_listened_to() -> None:
    assert set(CORES.values()) == set(SERVICES)


# ---- the words that others look for -----------------------------------------------------------------------------

SEEDS = (
    r"[SHADOW FILL] SOL (bid|ask) L\d @ [\d.]+ | sz=$[\d.]+ | rebate=$-?[\d.]+ | total_rebates=$-?[\d.]+"
    r" fill=SOL:\d+",
    r"[REGIME] .* Multiplier: [\d.]+x → [\d.]+x",
    r"[OFI] Buy dominance [\d.]+% > threshold. Asks suppressed for \w+.",
    r"🚨 STALL PANIC: cancel_all.",
    r"[STALL] WS back. Reconciling.",
    r"[RECONCILE] ✅ Inventory matches. No dark fills detected.",
    r"🛑 [GLOBAL STOP] Daily (drawdown|loss) .* Halting all quoting.",
    r"[LATENCY] P95: [\d.]+ms | P99: [\d.]+ms | samples: \d+",
    r"[SHADOW SESSION] Shadow PnL: $-?[\d.]+ | Volume: $[\d.]+ | Rebates: $-?[\d.]+ | Fills: \d+",
)


@pytest.mark.parametrize("wording", SEEDS)
def test_the_wording_that_scripts_look_for(wording: str, heard: list[Event]) -> None:
    pattern = re.sub(r"\[([A-Z ]+)\]", r"\\[\1\\]", wording).replace("| ", r"\| ").replace("$", r"\$")
    assert any(re.search(pattern + "$", render(event)) for event in heard)


def test_the_commands_of_the_page_find_them(heard: list[Event], tmp_path: Path) -> None:
    """Those with plain tools, on a log of everything."""
    log = tmp_path / "monitor.log"
    log.write_text("".join(render(event) + "\n" for event in heard))
    page = (ROOT / "docs" / "logs.md").read_text()
    commands = re.findall(r"^docker logs mm_monitor 2>&1 \| (.+?)(?:  +#.*)?$", page, re.M)
    assert len(commands) == 3
    for command in commands:
        found = subprocess.run(["sh", "-c", f"cat {log} | {command}"], capture_output=True, text=True)
        assert found.stdout.strip() not in ("", "0"), command
