"""Settings of the bundled venue."""

import re
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from shared.config import EngineConfig


class VenueConfig(EngineConfig):
    """Table `[venue]`."""

    section: ClassVar[str] = "venue"

    venue_host: str = Field("127.0.0.1", description="Address the bundled venue listens on.")
    venue_port: int = Field(3001, ge=0, le=65535, description="Its port; 0: any free one.")
    source: str = Field("modelled", description="`modelled`, or the folder of a recording.")
    seed: int = Field(1, ge=0, description="Seed of the modelled market: same seed, same market.")
    speed: str = Field("1", description="Times real time: a number, or `max` for as fast as clients read.")
    loop: bool = Field(False, description="Start a recording again when it ends.")
    fill_universe: bool = Field(False, description="Offer the modelled coins that a recording lacks.")
    block_ms: int = Field(70, ge=10, le=1000, description="Block time of the modelled market.")
    fast_ms: int = Field(500, ge=10, description="Interval of 5-level books.")
    slow_ms: int = Field(5000, ge=10, description="Interval of 20-level books.")
    mids_ms: int = Field(5000, ge=10, description="Interval of allMids.")
    limits: bool = Field(True, description="Hold clients to the venue's rate limits per address.")
    unknown_coin: Literal["error", "drop"] = Field(
        "error", description="Subscription to an unknown coin: an error frame, or the socket dropped."
    )

    @field_validator("speed")
    @classmethod
    def _speed(cls, value: str) -> str:
        if value != "max" and (not re.fullmatch(r"\d+(\.\d+)?", value) or float(value) <= 0):
            raise ValueError("a number above 0, or max")
        return value

    @property
    def pace(self) -> float | None:
        """Source seconds a second; None: as fast as clients read."""
        return None if self.speed == "max" else float(self.speed)

    @property
    def recording(self) -> Path | None:
        return None if self.source == "modelled" else Path(self.source)
