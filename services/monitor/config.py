"""Settings of the monitor."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class MonitorConfig(EngineConfig):
    """Table `[monitor]`."""

    section: ClassVar[str] = "monitor"

    monitor_silence_s: float = Field(
        10.0, gt=1, description="Seconds without a heartbeat after which a service is called silent."
    )
    monitor_memory_interval_s: float = Field(
        5.0, gt=0, description="Seconds between two looks at the memory of Redis."
    )
