"""Every alert on both sides of its threshold and of its `for`, and its end, by promtool; scrape jobs."""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

from market_maker.cli import app
from services import SERVICES, load
from shared.messages import SILENT_MS
from shared.metrics import GRID
from tests.fixtures.monitor_session import service_metrics

ROOT = Path(__file__).resolve().parents[2] / "prometheus"
RULES = sorted((ROOT / "rules").glob("*.yml"))


@dataclass(frozen=True)
class Case:
    """`bad` fires after `for_s`; `good` is the other side of the threshold. Values in promtool's notation."""

    alert: str
    severity: str
    for_s: int
    series: tuple[str, ...]
    bad: tuple[str, ...]
    good: tuple[str, ...]
    settle_s: int = 0
    """Seconds until the expression has its first value, at the latest."""
    unsure_s: int = 0
    """By how much it may come sooner: two rule groups of one instant are evaluated in no fixed order."""
    clears_s: int = 10
    """From the end of the cause to the end of the alert; what looks back over a window takes that long."""

    @property
    def counts(self) -> bool:
        """On a counter: its cause ends by itself, and going back would be a reset."""
        return self.clears_s > 10 and not self.unsure_s


def gauge(alert: str, severity: str, for_s: int, series: str, bad: float, good: float) -> Case:
    return Case(alert, severity, for_s, (series,), (f"{bad}x1000",), (f"{good}x1000",))


SILENT_S = SILENT_MS // 1000
BTC = '{asset="BTC"}'
BUCKETS = tuple(f'mm_quote_cycle_seconds_bucket{{job="quoter",le="{le}"}}' for le in ("0.5", "1.0", "+Inf"))
SIDES = tuple(f'mm_quoting{{asset="BTC",side="{side}"}}' for side in ("bid", "ask"))
ADVERSE = f"mm_adverse_selection_bps{BTC}", f"mm_orders_filled_total{BTC}"
PHASES = ("refused", "ready")
GUARD_AGE = 'mm_service_heartbeat_age_seconds{service="guard"}'
WATCHDOG_AGE = 'mm_service_heartbeat_age_seconds{service="watchdog"}'
HALTED = 'mm_halted{reason="operator"}'
LACKS = ("lease_expired", "max_inventory")
GROUP = '{service="harvester",stream="trades"}'
RULE = 'mm_rule_fired{{rule="ofi",level="{}",asset="{}"}}'
CASES = (
    gauge("KillSwitchTriggered", "critical", 0, f"mm_kill_switch_triggered{BTC}", 1, 0),
    gauge("HighDrawdown", "warning", 300, f"mm_drawdown_pct{BTC}", 0.0301, 0.03),
    gauge("DataStale", "warning", 30, f"mm_data_staleness_secs{BTC}", 3.01, 3),
    Case("MetricsAbsent", "critical", 60, (f"mm_kill_switch_triggered{BTC}",), ("_x1000",), ("0x1000",)),
    gauge("Halted", "critical", 0, 'mm_halted{reason="daily_loss"}', 1, 0),
    gauge("ServiceSilent", "critical", 15, GUARD_AGE, SILENT_S + 0.1, SILENT_S),
    Case("PositionBeyondLimit", "critical", 0, (f"mm_position{BTC}", f"mm_max_position{BTC}"),
         ("-4.1x1000", "2x1000"), ("-4x1000", "2x1000")),
    Case("DrawdownLive", "warning", 60, (f"mm_drawdown_pct{BTC}", "mm_live"), ("0.021x1000", "1x1000"),
         ("0.021x1000", "0x1000")),
    gauge("InventoryHigh", "warning", 120, f"mm_inventory_utilization{BTC}", 0.81, 0.8),
    Case("NotQuoting", "warning", 300, SIDES, ("0x1000", "0x1000"), ("0x1000", "1x1000")),
    Case("AdverseSelection", "warning", 600, ADVERSE, ("2.51x1000", "0+1x1000"), ("2.5x1000", "0+1x1000"),
         settle_s=5),
    Case("AdverseSelection", "critical", 600, ADVERSE, ("10.1x1000", "0+1x1000"), ("10x1000", "0+1x1000"),
         settle_s=5),
    Case("AdverseSelection", "critical", 600, ADVERSE, ("10.1x1000", "0+1x1000"), ("10.1x1000", "9999x1000"),
         settle_s=5, unsure_s=5, clears_s=610),
    gauge("SpreadWide", "warning", 120, f"mm_spread_bps{BTC}", 101, 100),
    gauge("NegativeEdge", "warning", 900, f"mm_edge_bps{BTC}", -5.1, -5),
    Case("SlowQuotes", "warning", 120, BUCKETS, ("0x1000", "0+9x1000", "0+9x1000"),
         ("0+9x1000", "0+9x1000", "0+9x1000"), settle_s=10, unsure_s=5, clears_s=310),
    gauge("CancelFillRatio", "warning", 600, "mm_cancel_fill_ratio", 50.1, 50),
    gauge("ApiHeadroomLow", "critical", 60, "mm_api_headroom_ratio", 0.049, 0.05),
    gauge("BudgetEmptySoon", "warning", 300, "mm_api_empty_seconds", 21_599, 21_600),
    Case("DarkFill", "critical", 0, (f"mm_dark_fills_total{BTC}",), ("0 1x20 2x20",), ("3x1000",),
         settle_s=5, clears_s=360),
    gauge("LedgerMismatch", "critical", 0, "mm_untied_balances", 1, 0),
    gauge("LedgerUnchecked", "warning", 120, "mm_tie_out_age_seconds", 300.1, 300),
    gauge("UnknownOrders", "critical", 60, "mm_unknown_orders", 1, 0),
    Case("RecoveryRefused", "critical", 0, tuple(f'mm_recovery_phase{{stage="{of}"}}' for of in PHASES),
         ("1x1000", "_x1000"), ("_x1000", "1x1000")),
    gauge("ConfirmationEnds", "warning", 0, "mm_confirmation_left_seconds", 1_799, 1_800),
    gauge("GateEvidenceEnds", "warning", 0, "mm_gate_evidence_left_seconds", 86_399, 86_400),
    Case("LiveNotQuoting", "critical", 120, (*SIDES, "mm_live"), ("0x1000", "0x1000", "1x1000"),
         ("0x1000", "1x1000", "1x1000")),
    Case("LiveNotQuoting", "critical", 120, (*SIDES, "mm_live", HALTED), ("0x1000", "0x1000", "1x1000", "_x1000"),
         ("0x1000", "0x1000", "1x1000", "1x1000")),
    Case("LiveNotQuoting", "critical", 120, (*SIDES, "mm_live"), ("0x1000", "0x1000", "1x1000"),
         ("0x1000", "0x1000", "0x1000")),
    Case("NothingQuoted", "warning", 120, (*SIDES, "mm_live"), ("0x1000", "0x1000", "0x1000"),
         ("0x1000", "1x1000", "0x1000")),
    Case("NothingQuoted", "warning", 120, (*SIDES, "mm_live", HALTED), ("0x1000", "0x1000", "0x1000", "0x1000"),
         ("0x1000", "0x1000", "0x1000", "1x1000")),
    Case("NothingQuoted", "warning", 120, (*SIDES, "mm_live"), ("0x1000", "0x1000", "0x1000"),
         ("0x1000", "0x1000", "1x1000")),
    Case("LeaseLost", "critical", 30, tuple(f'mm_side_blocked{{side="bid",reason="{why}"}}' for why in LACKS),
         ("1x1000", "_x1000"), ("_x1000", "1x1000")),
    Case("FeedSilent", "critical", 10, tuple(f'mm_data_staleness_secs{{asset="{coin}"}}' for coin in "AB"),
         ("11x1000", "10.1x1000"), ("11x1000", "9.9x1000")),
    Case("FeedReconnects", "warning", 0, ("mm_ws_reconnects_total",), ("0 0 8x1000",), ("0 0 4x1000",),
         settle_s=15, clears_s=910),
    Case("ServiceDown", "warning", 30, ('up{job="guard"}', 'up{job="watchdog"}'), ("0x1000", "1x1000"),
         ("1x1000", "0x1000")),
    Case("ServiceRestarts", "warning", 0, ('mm_service_restarts_total{service="guard"}',), ("0 0 4x1000",),
         ("0 0 1x1000",), settle_s=15, clears_s=910),
    Case("RedisLost", "critical", 10, ('mm_bus_up{job="guard"}', 'mm_bus_up{job="quoter"}'),
         ("0x1000", "1x1000"), ("1x1000", "1x1000")),
    gauge("BusLag", "warning", 30, f"mm_bus_lag{GROUP}", 1_001, 1_000),
    gauge("BusLag", "warning", 30, f"mm_bus_pending{GROUP}", 101, 100),
    Case("BusLost", "warning", 0, ('mm_bus_lost_total{job="harvester",stream="trades"}',), ("0 1x20 2x20",),
         ("3x1000",), settle_s=5, clears_s=360),
    gauge("DiskFilling", "warning", 300, "mm_disk_used_ratio", 0.91, 0.9),
    gauge("DiskFullSoon", "warning", 600, "mm_disk_left_seconds", 259_199, 259_200),
    Case("WatchdogMissing", "critical", 30, ("mm_live", WATCHDOG_AGE), ("1x1000", "_x1000"),
         ("1x1000", f"{SILENT_S - 0.1}x1000")),
    Case("WatchdogMissing", "critical", 30, ("mm_live", WATCHDOG_AGE), ("1x1000", f"{SILENT_S}x1000"),
         ("0x1000", "_x1000")),
    gauge("OrdersWithoutExecutor", "critical", 10, "mm_watchdog_alarm", 1, 0),
    gauge("VenueUnwatched", "critical", 0, "mm_watchdog_look_age_seconds", 60.1, 60),
    gauge("WatchdogKeyInvalid", "critical", 0, "mm_watchdog_key_holds", 0, 1),
    gauge("ForeignOrders", "warning", 0, "mm_watchdog_foreign_orders", 1, 0),
    gauge("RuleHalted", "critical", 0, RULE.format("halt", "all"), 1, 0),
    gauge("RuleHalted", "critical", 0, RULE.format("halt", "BTC"), 1, 0),
    Case("RuleStopsEverything", "critical", 15, (RULE.format("pull", "all"), RULE.format("pull", "BTC")),
         ("1x1000", "0x1000"), ("0x1000", "1x1000")),
    Case("RuleHolds", "warning", 600, (RULE.format("widen", "BTC"), RULE.format("off", "BTC")),
         ("1x1000", "0x1000"), ("0x1000", "1x1000")),
    Case("RuleFlickers", "warning", 0, ('mm_rule_fired_total{rule="ofi",asset="BTC"}',), ("0 0 40x1000",),
         ("0 0 25x1000",), settle_s=15, clears_s=610),
    Case("HaltNear", "warning", 15, ('mm_rule_closeness{rule="ofi",asset="all"}', RULE.format("halt", "all")),
         ("0.81x1000", "0x1000"), ("0.8x1000", "0x1000")),
    Case("HaltNear", "warning", 15, ('mm_rule_closeness{rule="ofi",asset="all"}', RULE.format("halt", "all")),
         ("0.99x1000", "0x1000"), ("1.2x1000", "1x1000")),
    Case("HaltNear", "warning", 15, ('mm_rule_closeness{rule="ofi",asset="all"}', RULE.format("halt", "all"),
                                     RULE.format("pull", "all")),
         ("0.99x1000", "0x1000", "_x1000"), ("0.99x1000", "_x1000", "0x1000")),
    Case("RulesUntold", "critical", 30, (RULE.format("halt", "all"),), ("_x1000",), ("0x1000",)),
    gauge("RuleUnproven", "warning", 0, 'mm_rule_proven_timestamp_seconds{rule="ofi"}', -2_592_001, -2_591_000),
    Case("DayBudgetLow", "warning", 60, ("mm_day_budget_left_usd", 'mm_possible_loss_usd{gap="0.01"}'),
         ("4.9x1000", "5x1000"), ("5x1000", "5x1000")),
    gauge("LiquidationNear", "critical", 0, "mm_liquidation_distance", 0.09, 0.1),
    gauge("HighCascadeSeverity", "warning", 60, f"mm_cascade_severity{BTC}", 0.51, 0.5),
    gauge("ToxicFlow", "warning", 120, f"mm_jump_ratio{BTC}", 3.01, 3),
    Case("ExchangeErrors", "warning", 0,
         tuple(f'mm_exchange_errors_total{{action="{of}",reason="throttled"}}' for of in ("place", "cancel")),
         ("0 0 6x1000", "0 0 6x1000"), ("0 0 4x1000", "0 0 4x1000"), settle_s=15, clears_s=310),
    gauge("RedisMemory", "warning", 60, "mm_redis_memory_ratio", 0.76, 0.75),
    gauge("ConverterLate", "warning", 0, "mm_converter_last_success_timestamp_seconds", -93_601, -92_000),
)  # fmt: skip


def alerts(files: list[Path] = RULES) -> list[dict]:
    return [
        rule for path in files for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
    ]


def promtool(*arguments: str) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool on this machine")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def seconds(text: str) -> int:
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def checks(case: Case, values: tuple[str, ...], fires_at: dict[int, bool]) -> dict:
    """One promtool test; the alert by name and severity, whatever else its labels say."""
    fired = f'count by (alertname, severity) (ALERTS{{alertname="{case.alert}",severity="{case.severity}"'
    sample = {"labels": f'{{alertname="{case.alert}", severity="{case.severity}"}}', "value": 1}
    return {
        "name": case.alert,
        "interval": "5s",
        "input_series": [
            {"series": series, "values": value} for series, value in zip(case.series, values, strict=True)
        ],
        "promql_expr_test": [
            {"expr": fired + ',alertstate="firing"})', "eval_time": f"{at_s}s", "exp_samples": [sample] * fires}
            for at_s, fires in fires_at.items()
        ],
    }


def both_sides(case: Case) -> list[dict]:
    due_s = case.settle_s + case.for_s
    early = {due_s - case.unsure_s - 5: False} if case.for_s else {}
    fires = checks(case, case.bad, early | {due_s: True, due_s + 60: True})
    return [fires, checks(case, case.good, {due_s + 300: False}), clears(case, due_s)]


def clears(case: Case, due_s: int) -> dict:
    """The cause ends a minute after the alert is due."""
    steps = (due_s + 60) // 5
    mended = tuple(
        f"{bad.replace('x1000', f'x{steps}')} {good.replace('_', 'stale _', 1)}"
        for bad, good in zip(case.bad, case.good, strict=True)
    )
    return checks(case, case.bad if case.counts else mended, {due_s + 30: True, due_s + 60 + case.clears_s: False})


def names(path: Path) -> set[str]:
    return {rule["alert"] for rule in alerts([path]) if "alert" in rule}


def promtool_file(file: Path, tests: list[dict], *rules: Path) -> str:
    """A file for promtool, on these rules and the recorded series they use."""
    used = sorted({str(path) for path in (*rules, ROOT / "rules" / "recording.yml")})
    file.write_text(yaml.safe_dump({"rule_files": used, "evaluation_interval": "5s", "tests": tests}))
    return str(file)


def test_every_alert_fires_past_its_threshold_and_for_not_before_and_ends_with_its_cause(tmp_path: Path):
    files = []
    for path in RULES:  # each with the rules of its own file: all of them at each step would take a minute
        tests = [test for case in CASES if case.alert in names(path) for test in both_sides(case)]
        if "Watchdog" in names(path):
            tests.append(checks(Case("Watchdog", "none", 0, (), (), ()), (), {0: True, 600: True}))
        files.append(promtool_file(tmp_path / path.name, tests, path))
    promtool("test", "rules", *files)


def test_recording_rules_are_what_they_say(tmp_path: Path):
    sums = (("mm_orders_cancelled_total", "0+30x1000"), ("mm_orders_filled_total", "0+3x1000"))
    test = {
        "interval": "5s",
        "input_series": [{"series": name + BTC, "values": values} for name, values in sums]
        + [
            {"series": 'mm_orders_cancelled_total{asset="ETH"}', "values": "0+1x1000"},
            {"series": 'mm_orders_filled_total{asset="ETH"}', "values": "0x1000"},
        ],
        "promql_expr_test": [
            {
                "expr": "asset:mm_cancel_fill_ratio:1h",
                "eval_time": "70m",
                "exp_samples": [{"labels": 'asset:mm_cancel_fill_ratio:1h{asset="BTC"}', "value": 10}],
            },
            {
                "expr": 'round(asset:mm_orders_filled:rate5m{asset="BTC"}, 0.001)',
                "eval_time": "70m",
                "exp_samples": [{"labels": BTC, "value": 0.6}],
            },
        ],
    }
    promtool("test", "rules", promtool_file(tmp_path / "recording.yml", [test]))


def test_every_alert_has_its_case_with_its_own_for_and_severity():
    declared = {
        (rule["alert"], rule["labels"]["severity"], seconds(rule["for"])) for rule in alerts() if "alert" in rule
    }
    assert declared == {(case.alert, case.severity, case.for_s) for case in CASES} | {("Watchdog", "none", 0)}


def test_each_alert_tells_what_what_the_bot_did_and_what_to_do():
    boards = {json.loads(path.read_text())["uid"] for path in (ROOT.parent / "grafana/dashboards").glob("*.json")}
    for rule in alerts():
        if "alert" in rule:
            told = rule["annotations"]
            assert all(told[name] for name in ("summary", "description", "bot", "todo", "runbook_url")), rule
            assert told["dashboard_url"].rpartition("/")[2] in boards, rule["alert"]


def test_every_command_that_an_alert_names_is_one():
    commands = get_command(app)
    assert isinstance(commands, TyperGroup)
    for rule in alerts():
        told = re.sub(r"{{.*?}}", "LABEL", rule.get("annotations", {}).get("todo", ""))
        for line in re.findall(r"`market_maker (.+?)`", told):
            name, *arguments = shlex.split(line)
            commands.commands[name].make_context(name, arguments)


def test_no_number_of_an_alert_has_a_prefix():
    """To `humanize`, 0.75 coins are 750m."""
    assert not [path.name for path in RULES if re.search(r"humanize\b", path.read_text())]


def test_every_alert_but_the_heartbeat_says_whether_money_is_real():
    assert all(("mode" in rule["labels"]) == (rule["alert"] != "Watchdog") for rule in alerts() if "alert" in rule)


@pytest.mark.parametrize(
    ("live", "mode"),
    [
        ("1x1000", "live"),
        ("0x1000", "shadow"),
        ("_x1000", "unknown"),
        ("1x30 _x300", "live"),
        ("1 0x1000", "shadow"),
    ],
)
def test_the_mode_of_an_alert_is_the_last_that_the_executor_told(live: str, mode: str, tmp_path: Path):
    """Also when its silence is the very reason of the alert."""
    labels = f'{{alertname="MetricsAbsent",alertstate="firing",severity="critical",mode="{mode}"}}'
    test = {
        "interval": "5s",
        "input_series": [{"series": "mm_live", "values": live}],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname, alertstate, severity, mode) (ALERTS{alertname="MetricsAbsent"})',
                "eval_time": "20m",
                "exp_samples": [{"labels": labels, "value": 1}],
            }
        ],
    }
    promtool("test", "rules", promtool_file(tmp_path / "mode.yml", [test], ROOT / "rules" / "machine.yml"))


def test_configuration_is_valid_and_scrapes_each_service_on_its_own_port():
    promtool("check", "config", str(ROOT / "prometheus.yml"))
    config = yaml.safe_load((ROOT / "prometheus.yml").read_text())
    assert config["global"]["scrape_interval"] == config["global"]["evaluation_interval"] == "5s"
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    wanted = {name: [f"mm_{name}:{load(name).metrics_port}"] for name in SERVICES if name != "venue"}
    assert jobs == wanted


def test_recorded_names_are_made_of_real_ones():
    known = {metric.name for metric in GRID} | service_metrics()
    for rule in alerts():
        for name in re.findall(r"(?<![\w:])mm_\w+", rule["expr"]):
            assert name in known, name
