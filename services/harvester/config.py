"""Settings of the harvester."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class HarvesterConfig(EngineConfig):
    """What is recorded. Where: `data_dir`."""

    section: ClassVar[str] = "harvester"

    harvest_ticks: bool = Field(
        True,
        description="Record ticks, trades and depth to CSV; fills, account and incidents are always"
        " recorded (0.2 MB a coin and day).",
    )
    harvest_depth_levels: int = Field(
        5, ge=1, le=5, description="Levels a side in the depth files; the columns of the rest stay empty."
    )
    harvest_retry_s: float = Field(
        60.0, gt=0, description="Seconds between two tries after writing failed (disk full, read-only folder)."
    )
