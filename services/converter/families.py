"""The three CSV families and what their columns become in Parquet.

Prices and sizes are float64, for DuckDB's convenience: a value is accepted only if its float64 prints as the
same decimal number again, so nothing is lost. Levels a book does not have are null.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["time", "coin", "decimal", "decimal or empty", "id", "side"]


@dataclass(frozen=True)
class Family:
    """CSV in `csv/COIN/DAY.csv` becomes `parquet/COIN/DAY.parquet`."""

    csv: str
    parquet: str
    columns: dict[str, Kind]

    @property
    def header(self) -> str:
        return ",".join(self.columns)


_HEAD: dict[str, Kind] = {"timestamp_ms": "time", "coin": "coin"}
_LEVELS: dict[str, Kind] = {
    f"{side}_{field}_{i}": "decimal or empty"
    for side in ("bid", "ask")
    for i in range(1, 6)
    for field in ("px", "sz")
}
FAMILIES = (
    Family(
        "ticks",
        "parquet",
        {**_HEAD, "bid": "decimal", "ask": "decimal", "mid": "decimal", "spread_bps": "decimal"},
    ),
    Family("trades", "parquet_trades", {**_HEAD, "px": "decimal", "sz": "decimal", "side": "side", "tid": "id"}),
    Family("depth", "parquet_depth", {**_HEAD, **_LEVELS}),
)
SIDES = ("B", "A")
