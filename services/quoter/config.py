"""Settings of the quoter."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class QuoterConfig(EngineConfig):
    """How far quotes lean, widen and wait; the rest is per coin (`AssetConfig`)."""

    section: ClassVar[str] = "quoter"

    skew_gain: float = Field(
        1.0,
        ge=0.1,
        le=1,
        description="Shift of the grid at full inventory, in tightest half spreads; under 0.1 is no lean at all.",
    )
    clamp_skip_bps: float = Field(
        1.0, ge=0, description="A level that must move further (bps) to stay behind the touch is skipped."
    )
    book_widen_after_s: float = Field(5.0, gt=0, description="Book age (s) above which spreads double.")
    book_pause_after_s: float = Field(15.0, gt=0, description="Book age (s) above which nothing is quoted.")
    governor_fall_per_s: float = Field(
        0.1, gt=0, description="How fast the spread multiplier may fall, per second; it rises at once."
    )
    governor_recovery_s: float = Field(
        60.0, ge=0, description="Seconds in a row below 0.9 of the edge before a regime or funding halt ends."
    )
    config_grace_s: float = Field(5.0, ge=0, description="Seconds before the absence of a coin's config is said.")
    config_old_after_s: float = Field(
        120.0, gt=0, description="Age (s) of the newest screener config from which it is reported as old."
    )
