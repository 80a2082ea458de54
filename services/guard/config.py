"""Settings of the guard, beside what every service knows."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class GuardConfig(EngineConfig):
    """Table `[guard]`."""

    section: ClassVar[str] = "guard"

    guard_stale_book_s: float = Field(
        15.0, gt=0, description="Age of a coin's newest book, in seconds, at which its lease ends."
    )
    ofi_min_trades: int = Field(50, ge=1, description="Trades below which the OFI says nothing.")
    ofi_max_age_s: float = Field(
        600.0, gt=0, description="Trades older than this leave the OFI window, in seconds: a quiet coin recovers."
    )
