"""Settings of the launcher itself (table `[launcher]`); those of the services are theirs."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field

from services.monitor.config import METRICS_PORT
from shared.config import EngineConfig


class LauncherConfig(EngineConfig):
    """What `start_mm_bot.sh` and `market_maker` need beyond the engine's settings."""

    section: ClassVar[str] = "launcher"

    redis_port: int = Field(
        6380, ge=1, le=65535, description="Loopback port of the bus, for redis-cli and status."
    )
    log_dir: Path = Field(Path("logs/mm"), description="One log file per process (local mode).")
    secrets_dir: Path = Field(Path(".secrets/bus"), description="Generated passwords of the bus, one per user.")
    start_timeout_s: float = Field(60.0, gt=0, description="Seconds to wait for the first quote before giving up.")
    uid: int | None = Field(
        None, ge=1, description="Owner of data/ and logs/ in Docker mode; empty: you, or 10001 when you are root."
    )
    gid: int | None = Field(None, ge=1, description="Group of data/ and logs/ in Docker mode; empty: as uid.")
    alert_telegram_token_file: Path | None = Field(
        None, description="File with the token of a Telegram bot that tells alerts; empty: no Telegram."
    )
    alert_telegram_chat_id: int | None = Field(None, description="Chat that the Telegram bot writes to.")
    alert_discord_url_file: Path | None = Field(
        None, description="File with the webhook URL of a Discord channel for alerts; empty: no Discord."
    )
    alert_slack_url_file: Path | None = Field(
        None, description="File with the webhook URL of a Slack channel for alerts; empty: no Slack."
    )
    alert_webhook_url_file: Path | None = Field(
        None, description="File with a URL that gets alerts as Alertmanager's JSON; empty: none."
    )
    alert_heartbeat_url_file: Path | None = Field(
        None, description="File with a URL that is called each minute while alerting works; empty: none."
    )

    @property
    def grid_metrics_port(self) -> int:
        """Where the monitor serves the metrics of the grid."""
        return METRICS_PORT if self.metrics_port is None else self.metrics_port
