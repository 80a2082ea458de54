"""Settings of the watchdog, beside what every service knows."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class WatchdogConfig(EngineConfig):
    """Table `[watchdog]`."""

    section: ClassVar[str] = "watchdog"

    watchdog_silence_s: float = Field(
        4.0, gt=0, le=6, description="Silence of the executor, in seconds, after which its orders are cancelled."
    )
    watchdog_look_s: float = Field(
        15.0,
        gt=0,
        description="Interval in seconds at which the account's orders are looked at while all is well.",
    )
    watchdog_timeout_s: float = Field(
        2.0, gt=0, le=10, description="Longest wait for an answer of the venue, in seconds."
    )
    watchdog_switch_s: float = Field(
        60.0, ge=15, description="How far ahead of us, in seconds, the venue's own dead man's switch is kept."
    )
    watchdog_weight: int = Field(
        300, ge=100, le=1200, description="Part of the venue's request weight per IP and minute it may use."
    )
