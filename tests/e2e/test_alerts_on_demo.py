"""Every alert's expression asked of a real Prometheus that scrapes a running demo: none errs, and what has no
series there has a reason."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from market_maker.config import LauncherConfig
from market_maker.notify_config import prometheus
from scripts.alert_table import GROUPS, rules
from tests.conftest import wait_until
from tests.e2e.test_runbooks import place  # noqa: F401
from tests.fixtures.command_line import is_free

Ask = Callable[[str], list[Any]]
NO_SERIES = {
    "only in live trading": {
        "mm_api_empty_seconds", "mm_api_headroom_ratio", "mm_confirmation_left_seconds", "mm_dark_fills_total",
        "mm_exchange_errors_total", "mm_recovery_phase", "mm_tie_out_age_seconds", "mm_unknown_orders",
        "mm_untied_balances", "mm_watchdog_alarm", "mm_watchdog_foreign_orders", "mm_watchdog_key_holds",
        "mm_watchdog_look_age_seconds",
    },
    "not before some minutes of market or the first fills": {
        "mm_adverse_selection_bps", "mm_cascade_severity", "mm_jump_ratio", "mm_sigma", "mm_edge_bps",
        "mm_cancel_fill_ratio", "mm_liquidation_distance", "mm_quote_cycle_seconds",
    },
    "only of a folder in which it has happened": {
        "mm_converter_last_success_timestamp_seconds", "mm_gate_evidence_left_seconds",
        "mm_rule_proven_timestamp_seconds",
    },
    "only while it is so": {
        "mm_side_blocked", "mm_disk_left_seconds", "mm_service_restarts_total",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def ask(place: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:  # noqa: F811
    """A query's samples, from the moment on at which each service was scraped twice."""
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus on this machine")
    folder: Path = tmp_path_factory.mktemp("prometheus")
    metrics_port = int(place["MM_METRICS_PORT"])
    port = next(port for port in range(metrics_port + 32, metrics_port + 60) if is_free(port))
    (folder / "prometheus.yml").write_text(prometheus(LauncherConfig(metrics_port=metrics_port)))
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip

    def query(expression: str) -> list[Any]:
        url = f"http://127.0.0.1:{port}/api/v1/query?{urlencode({'query': expression})}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])

    def scraped() -> bool:
        try:
            return len(query("count_over_time(up[1m]) >= 2 and up == 1")) >= 8
        except OSError:
            return False

    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            wait_until(scraped, 60)
            yield query
        finally:
            process.terminate()


@pytest.mark.parametrize("group", GROUPS)
def test_no_alert_looks_at_nothing(ask: Ask, group: str) -> None:
    excused = set().union(*NO_SERIES.values())
    for rule in rules(group):
        firing = ask(rule["expr"])
        print(f"{rule['alert']:22} {len(firing)} series now | {rule['expr']}")
        for name in set(re.findall(r"(?<![\w:])mm_\w+|\bup\b", rule["expr"])):
            assert ask(name) or name in excused, f"{rule['alert']}: {name} has no series"
