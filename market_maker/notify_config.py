"""Who is told of alerts: the receivers that the settings name, and Alertmanager's configuration for them.

No secret is in it: Alertmanager reads tokens and URLs from files. Alerts of a shadow run go to the monitor's log
and nowhere else; whatever is not known to be shadow also goes to people.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market_maker.config import LauncherConfig
from services import SERVICES
from services import load as load_service
from services.monitor.config import ALERTS_ABOVE, METRICS_PORT
from shared.errors import ConfigError

PROMETHEUS = Path(__file__).resolve().parents[1] / "prometheus"

MONITOR = "http://mm_monitor:9095/alerts"
INSIDE = Path("/run/secrets")
TEMPLATES_INSIDE = Path("/etc/mm/messages.tmpl")
TITLE, BODY, TEXT = (f'{{{{ template "mm.{part}" . }}}}' for part in ("title", "body", "text"))
URGENT: dict[str, Any] = {"group_wait": "1s", "group_interval": "1m", "repeat_interval": "15m"}
"""A second lets what silences another alert arrive with it."""
PATIENT: dict[str, Any] = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "3h"}
SECRETS = {
    "telegram": "alert_telegram_token",
    "discord": "alert_discord_url",
    "slack": "alert_slack_url",
    "webhook": "alert_webhook_url",
    "heartbeat": "alert_heartbeat_url",
}
"""Names of the files in the container; the setting and the variable add `_file` and `MM_…_FILE`."""


@dataclass(frozen=True)
class Receivers:
    """`files` by receiver; only those that are configured."""

    files: Mapping[str, Path]
    chat_id: int | None = None

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(name for name in self.files if name != "heartbeat")


def receivers(config: LauncherConfig) -> Receivers:
    """
    Raises:
        ConfigError: Telegram with a token and no chat, or the other way round.
    """
    files = {
        name: file for name, secret in SECRETS.items() if (file := getattr(config, f"{secret}_file")) is not None
    }
    if ("telegram" in files) != (config.alert_telegram_chat_id is not None):
        raise ConfigError("Telegram needs both MM_ALERT_TELEGRAM_TOKEN_FILE and MM_ALERT_TELEGRAM_CHAT_ID")
    return Receivers(files, config.alert_telegram_chat_id)


def inside(found: Receivers) -> Receivers:
    """The same receivers as the container of Alertmanager sees their files."""
    return Receivers({name: INSIDE / SECRETS[name] for name in found.files}, found.chat_id)


def alertmanager(found: Receivers, monitor_url: str = MONITOR, templates: Path = TEMPLATES_INSIDE) -> str:
    """Alertmanager's configuration, version 0.28 and newer; JSON, which is YAML too."""
    everybody = _monitor(monitor_url) | {f"{name}_configs": [_RECEIVER[name](found)] for name in found.people}
    webhooks = _monitor(monitor_url)["webhook_configs"]
    if "webhook" in found.files:
        everybody["webhook_configs"] = [*webhooks, *everybody["webhook_configs"]]
    heartbeat = {"webhook_configs": [_heartbeat(found)]} if "heartbeat" in found.files else {}
    config = {
        "route": _route(),
        "inhibit_rules": _silences(),
        "receivers": [
            {"name": "log", **_monitor(monitor_url)},
            {"name": "everybody", **everybody},
            {"name": "heartbeat", **heartbeat},
        ],
        "templates": [str(templates)],
    }
    return _written(config)


def monitor_url(config: LauncherConfig) -> str:
    """Where the monitor of a local run takes notifications, by the launcher's word."""
    return f"http://127.0.0.1:{config.grid_metrics_port + ALERTS_ABOVE}/alerts"


def prometheus(config: LauncherConfig, alertmanager_port: int = 9093) -> str:
    """Prometheus' configuration for services that run as local processes."""
    moved = config.grid_metrics_port - METRICS_PORT
    ports = {name: load_service(name).metrics_port for name in SERVICES}
    made = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "4s", "evaluation_interval": "5s"},
        "rule_files": [str(PROMETHEUS / "rules" / "*.yml")],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}]},
        "scrape_configs": [
            {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port + moved}"]}]}
            for name, port in ports.items()
            if port
        ],
    }
    return _written(made)


def _written(config: Mapping[str, Any]) -> str:
    head = "# Made by `market_maker notify-config` from the settings; changes here are lost.\n"
    return f"{head}{json.dumps(config, indent=2, ensure_ascii=False)}\n"


def _route() -> dict[str, Any]:
    """The heartbeat on its own way, then shadow into the log, then the rest to everybody."""
    heartbeat = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "1m"}
    return {
        "receiver": "everybody",
        "group_by": ["alertname", "mode"],
        **PATIENT,
        "routes": [
            {"matchers": ['alertname="Watchdog"'], "receiver": "heartbeat", **heartbeat},
            {"matchers": ['mode="shadow"'], "receiver": "log", "routes": _by_urgency("log")},
            *_by_urgency("everybody"),
        ],
    }


def _by_urgency(receiver: str) -> list[dict[str, Any]]:
    """What concerns all coins at once is one message, whatever number of coins there is."""
    whole = {"matchers": ['alertname="KillSwitchTriggered"'], "receiver": receiver, **URGENT}
    critical = {
        "matchers": ['severity="critical"'],
        "receiver": receiver,
        "group_by": ["alertname", "asset", "mode"],
        **URGENT,
    }
    return [whole, critical]


def _silences() -> list[dict[str, Any]]:
    """The stronger or nearer alert says it all; the others stay visible in Prometheus."""

    def rule(source: str, target: str, *equal: str) -> dict[str, Any]:
        return {"source_matchers": [source], "target_matchers": [target], "equal": [*equal, "mode"]}

    return [
        rule('alertname=~"KillSwitchTriggered|Halted"', 'severity="warning"'),
        rule('alertname="Halted"', 'alertname="KillSwitchTriggered"'),
        rule('alertname="RedisLost"', 'alertname=~"ServiceSilent|RulesUntold|LeaseLost"'),
        rule('alertname="FeedSilent"', 'alertname="DataStale"'),
        rule('alertname="MetricsAbsent"', 'alertname="ServiceDown"'),
        {
            "source_matchers": ['alertname="AdverseSelection"', 'severity="critical"'],
            "target_matchers": ['alertname="AdverseSelection"', 'severity="warning"'],
            "equal": ["asset", "mode"],
        },
    ]


def _monitor(url: str) -> dict[str, Any]:
    return {"webhook_configs": [{"url": url, "send_resolved": True}]}


def _telegram(found: Receivers) -> dict[str, Any]:
    token, chat = str(found.files["telegram"]), found.chat_id
    return {"bot_token_file": token, "chat_id": chat, "parse_mode": "", "message": TEXT, "send_resolved": True}


def _discord(found: Receivers) -> dict[str, Any]:
    url = str(found.files["discord"])
    return {"webhook_url_file": url, "title": TITLE, "message": BODY, "send_resolved": True}


def _slack(found: Receivers) -> dict[str, Any]:
    return {"api_url_file": str(found.files["slack"]), "title": TITLE, "text": BODY, "send_resolved": True}


def _webhook(found: Receivers) -> dict[str, Any]:
    return {"url_file": str(found.files["webhook"]), "send_resolved": True}


def _heartbeat(found: Receivers) -> dict[str, Any]:
    return {"url_file": str(found.files["heartbeat"]), "send_resolved": False}


_RECEIVER = {"telegram": _telegram, "discord": _discord, "slack": _slack, "webhook": _webhook}
