"""Settings of the converter."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from shared.config import EngineConfig

SHORTEST_HISTORY_DAYS = 8
"""The gates and the profile of hours and weekends look at a week of finished days."""


class ConverterConfig(EngineConfig):
    """When CSV becomes Parquet, and how long either is kept. Where: `data_dir`."""

    section: ClassVar[str] = "converter"

    csv_retention_days: int = Field(
        2, ge=1, description="UTC days of CSV kept, today included; older ones go once their Parquet is verified."
    )
    parquet_retention_days: int = Field(
        0, ge=0, description="UTC days of market data kept as Parquet, today included; 0: for ever."
    )
    converter_daily_utc: str = Field(
        "00:10", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="UTC time of the daily conversion, HH:MM."
    )
    disk_warn_days: int = Field(7, ge=1, description="Warn when the disk will be full in fewer days.")
    nightly_analysis: bool = Field(True, description="After a conversion, bring the market profile up to date.")

    @model_validator(mode="after")
    def _history_is_long_enough(self) -> Self:
        days = self.parquet_retention_days
        if days and days < max(SHORTEST_HISTORY_DAYS, self.csv_retention_days):
            raise ValueError(
                f"parquet_retention_days = {days}: 0 (for ever), or at least {SHORTEST_HISTORY_DAYS} days and "
                f"csv_retention_days ({self.csv_retention_days}); the analysis looks at a week"
            )
        return self
