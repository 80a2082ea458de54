"""Settings of the converter."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class ConverterConfig(EngineConfig):
    """When CSV becomes Parquet, and how long CSV is kept. Where: `data_dir`."""

    section: ClassVar[str] = "converter"

    csv_retention_days: int = Field(
        2, ge=1, description="UTC days of CSV kept, today included; older ones go once their Parquet is verified."
    )
    converter_daily_utc: str = Field(
        "00:10", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="UTC time of the daily conversion, HH:MM."
    )
