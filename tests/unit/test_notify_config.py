"""Alertmanager's configuration for the receivers that the settings name: by amtool, and what it may not hold."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from market_maker.config import LauncherConfig
from market_maker.notify_config import (
    INSIDE,
    PROMETHEUS,
    TEXT,
    alertmanager,
    inside,
    monitor_url,
    prometheus,
    receivers,
)
from services import SERVICES, load
from shared.errors import ConfigError

TEMPLATES = PROMETHEUS / "alertmanager" / "messages.tmpl"
ALL = {
    "alert_telegram_token_file": "t", "alert_telegram_chat_id": -100123, "alert_discord_url_file": "d",
    "alert_slack_url_file": "s", "alert_webhook_url_file": "w", "alert_heartbeat_url_file": "h",
}  # fmt: skip


def config(**settings: Any) -> LauncherConfig:
    return LauncherConfig(**settings)


def read(text: str) -> dict[str, Any]:
    return dict(json.loads(text.partition("\n")[2]))


def amtool(*arguments: str) -> str:
    if shutil.which("amtool") is None:
        pytest.skip("no amtool on this machine (Debian: prometheus-alertmanager)")
    done = subprocess.run(["amtool", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def before_028(text: str) -> str:
    """Debian's Alertmanager is older than most file secrets: the same with the secrets in place."""
    for new, old in (
        ('"bot_token_file": "', '"bot_token": "'), ('"webhook_url_file": "', '"webhook_url": "http://'),
        ('"url_file": "', '"url": "http://'),
    ):  # fmt: skip
        text = text.replace(new, old)
    return text


@pytest.fixture
def written(tmp_path: Path) -> Path:
    file = tmp_path / "alertmanager.yml"
    file.write_text(before_028(alertmanager(receivers(config(**ALL)), templates=TEMPLATES)))
    return file


def test_amtool_takes_it(written: Path):
    assert "1 templates" in amtool("check-config", str(written))


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ("alertname=Halted severity=critical mode=live", "everybody"),
        ("alertname=Halted severity=critical mode=unknown", "everybody"),
        ("alertname=NotifyTest severity=critical mode=test", "everybody"),
        ("alertname=DataStale severity=warning mode=live", "everybody"),
        ("alertname=Halted severity=critical mode=shadow", "log"),
        ("alertname=KillSwitchTriggered severity=critical mode=shadow", "log"),
        ("alertname=DataStale severity=warning mode=shadow", "log"),
        ("alertname=Watchdog severity=none", "heartbeat"),
    ],
)
def test_shadow_never_pages_and_everything_else_does(written: Path, labels: str, receiver: str):
    assert amtool("config", "routes", "test", f"--config.file={written}", *labels.split()).split() == [receiver]


def test_nobody_is_told_by_default_but_the_log():
    found = receivers(config())
    assert found.people == ()
    named = {each["name"]: each for each in read(alertmanager(found))["receivers"]}
    assert named["everybody"].keys() == {"name", "webhook_configs"}
    assert named["everybody"]["webhook_configs"] == named["log"]["webhook_configs"]
    assert named["heartbeat"] == {"name": "heartbeat"}


def test_everybody_hears_through_files_and_the_log_always(tmp_path: Path):
    named = {each["name"]: each for each in read(alertmanager(inside(receivers(config(**ALL)))))["receivers"]}
    everybody = named["everybody"]
    assert everybody["telegram_configs"][0]["bot_token_file"] == str(INSIDE / "alert_telegram_token")
    assert everybody["telegram_configs"][0]["chat_id"] == -100123
    assert everybody["discord_configs"][0]["webhook_url_file"] == str(INSIDE / "alert_discord_url")
    assert everybody["slack_configs"][0]["api_url_file"] == str(INSIDE / "alert_slack_url")
    assert [*everybody["webhook_configs"][0]][0] == "url" and len(everybody["webhook_configs"]) == 2
    assert named["heartbeat"]["webhook_configs"][0]["url_file"] == str(INSIDE / "alert_heartbeat_url")


def test_no_secret_is_read(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("12345:very-secret")
    text = alertmanager(receivers(config(alert_telegram_token_file=token, alert_telegram_chat_id=1)))
    assert str(token) in text and "very-secret" not in text


@pytest.mark.parametrize("half", [{"alert_telegram_token_file": "t"}, {"alert_telegram_chat_id": 1}])
def test_half_a_telegram_is_refused_by_name(half: dict[str, Any]):
    with pytest.raises(ConfigError, match="MM_ALERT_TELEGRAM_TOKEN_FILE and MM_ALERT_TELEGRAM_CHAT_ID"):
        receivers(config(**half))


def test_local_prometheus_scrapes_each_service_where_it_is_and_knows_alertmanager(tmp_path: Path):
    made = read(prometheus(config(metrics_port=20_002), 20_050))
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in made["scrape_configs"]}
    assert targets == {
        name: [f"127.0.0.1:{load(name).metrics_port + 20_002 - 9090}"] for name in SERVICES if name != "venue"
    }
    assert made["alerting"]["alertmanagers"][0]["static_configs"] == [{"targets": ["127.0.0.1:20050"]}]
    assert monitor_url(config(metrics_port=20_002)) == "http://127.0.0.1:20007/alerts"
    if shutil.which("promtool"):
        file = tmp_path / "prometheus.yml"
        file.write_text(prometheus(config()))
        subprocess.run(["promtool", "check", "config", str(file)], check=True, capture_output=True, timeout=60)


def rendered(tmp_path: Path, **changes: Any) -> str:
    told = {
        "summary": "Market data is stale", "description": "The book of BTC was 4s old (limit 3 s).",
        "bot": "Does not quote.", "todo": "Look.", "runbook_url": "docs/x.md", "dashboard_url": "http://d",
    }  # fmt: skip
    labels = {"alertname": "DataStale", "severity": "warning", "mode": changes.get("mode", "live")}
    status = changes.get("status", "firing")
    alert = {"status": status, "labels": {**labels, "asset": "BTC"}, "annotations": told}
    data = {
        "status": status, "alerts": [alert] * changes.get("count", 1), "commonLabels": labels,
        "commonAnnotations": told, "groupLabels": {}, "receiver": "everybody", "externalURL": "http://a",
    }  # fmt: skip
    file = tmp_path / "data.json"
    file.write_text(json.dumps(data))
    return amtool(
        "template", "render", f"--template.glob={TEMPLATES}", f"--template.text={TEXT}", f"--template.data={file}"
    )


def test_a_message_says_whose_money_the_numbers_what_the_bot_did_and_what_to_do(tmp_path: Path):
    lines = rendered(tmp_path).splitlines()
    assert lines[0] == "🔴 LIVE · WARNING · DataStale: Market data is stale"
    assert lines[1] == "The book of BTC was 4s old (limit 3 s)."
    assert lines[3:7] == ["Bot: Does not quote.", "Do: Look.", "Read: docs/x.md", "See: http://d"]


@pytest.mark.parametrize(
    ("mode", "word"), [("unknown", "🟡 MODE UNKNOWN"), ("test", "⚪ TEST"), ("shadow", "⚪ SHADOW")]
)
def test_a_message_never_leaves_the_mode_out(tmp_path: Path, mode: str, word: str):
    assert rendered(tmp_path, mode=mode).startswith(word)


def test_the_end_of_an_alert_asks_for_nothing_and_thirty_coins_stay_readable(tmp_path: Path):
    over = rendered(tmp_path, status="resolved")
    assert over.startswith("🔴 LIVE · OVER · DataStale") and "Do:" not in over
    many = rendered(tmp_path, count=30)
    assert many.count("The book of BTC") == 10 and "… 30 in all" in many and len(many) < 4_096
