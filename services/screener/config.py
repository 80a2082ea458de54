"""Settings of the screener."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class ScreenerConfig(EngineConfig):
    """How coins are measured, priced and published."""

    section: ClassVar[str] = "screener"

    screener_interval_s: float = Field(30.0, ge=1, description="Seconds between two publications.")
    screener_window_s: float = Field(1200.0, ge=60, le=3600, description="Seconds of market the estimates cover.")
    max_base_spread_bps: float = Field(
        25.0, gt=1, description="Widest half spread (bps) worth quoting; a coin that needs more is left out."
    )
    min_markouts: int = Field(
        200, ge=50, description="Market orders with a markout before a coin may be called losing."
    )
    adverse_selection_prior_bps: float = Field(
        1.0, ge=0, description="Adverse selection (bps at 5 s) assumed while no coin has been measured."
    )
    expected_hold_s: float = Field(300.0, ge=0, description="Seconds a fill is held, for the cost of funding.")
