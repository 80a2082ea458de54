"""Settings of the harvester."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig
from shared.flights import KEPT_DAYS


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
    harvest_explain_days: int = Field(
        KEPT_DAYS,
        ge=0,
        description="UTC days that what led to a fill is kept for `market_maker explain`, today included (5 kB a"
        " fill, 8 MB a coin and day at most); 0: not at all.",
    )
    harvest_retry_s: float = Field(
        60.0, gt=0, description="Seconds between two tries after writing failed (disk full, read-only folder)."
    )
