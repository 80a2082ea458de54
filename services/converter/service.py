"""Turns yesterday's CSV into Parquet, verifies it, and removes what is old."""

from services.converter.config import ConverterConfig
from services.converter.core import Converter
from services.converter.door import ChildDoor
from shared.service import Service
from shared.streams import EVENTS

SERVICE = Service(
    name="converter",
    config=ConverterConfig,
    core=Converter,
    door=ChildDoor,
    writes=(EVENTS,),
    tick_ms=5000,
    metrics_port=9107,
    background=True,
)
