"""Settings of the monitor."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig
from shared.messages import SILENT_MS

METRICS_PORT = 9090
ALERTS_ABOVE = 5
"""Alerts are taken so many ports above the metrics."""


class MonitorConfig(EngineConfig):
    """Table `[monitor]`."""

    section: ClassVar[str] = "monitor"

    monitor_silence_s: float = Field(
        SILENT_MS / 1000, gt=1, description="Seconds without a heartbeat after which a service is called silent."
    )
    monitor_memory_interval_s: float = Field(
        5.0, gt=0, description="Seconds between two looks at the memory of Redis and what waits in it."
    )
    monitor_files_interval_s: float = Field(
        30.0, gt=0, description="Seconds between two looks at the data folder: evidence, recordings, disk."
    )
    monitor_uptime_spread_bps: float = Field(
        20.0, gt=0, description="Our spread in bps up to which two-sided quoting counts as tight."
    )
    monitor_alert_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port that takes Alertmanager's notifications; empty: five above the metrics port, 0: none.",
    )

    @property
    def alert_port(self) -> int:
        """0: nowhere."""
        if self.monitor_alert_port is not None:
            return self.monitor_alert_port
        metrics_port = METRICS_PORT if self.metrics_port is None else self.metrics_port
        return metrics_port + ALERTS_ABOVE if metrics_port else 0
