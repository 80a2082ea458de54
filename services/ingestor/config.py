"""Settings of the ingestor, beside what every service knows."""

from typing import ClassVar

from pydantic import Field

from shared.config import EngineConfig


class IngestorConfig(EngineConfig):
    """Table `[ingestor]`."""

    section: ClassVar[str] = "ingestor"

    feed_timeout_s: float = Field(
        10.0, gt=0, description="Longest wait for a connection to the venue or an answer of it, in seconds."
    )
