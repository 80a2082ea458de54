"""What days of recorded data say about each coin, small enough for a service to read.

The analysis writes it every night and on demand; the screener holds it against the last minutes. Everything is
measured against public trades: `adverse_bps` and `reach_bps` as in the screener's markouts.
"""

from pathlib import Path

import msgspec

from shared.errors import DataError

FILE = Path("state") / "market_profile.json"
"""In the data folder."""
HOURS = 24


class Measured(msgspec.Struct, frozen=True):
    """A number with what it rests on: `n` observations, worth `n_effective` independent ones, and the standard
    error of the value."""

    value: float
    se: float
    n: int
    n_effective: float


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One quoted half spread as history would have treated it. `adverse_bps` at 5 s, of the orders that go through
    the quote; `fills_per_hour` of an order behind the displayed queue."""

    half_spread_bps: float
    adverse_bps: Measured
    fills_per_hour: float


class CoinProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`hours` and `weekend` multiply a half spread; 1 where nothing is known or nothing is different."""

    coin: str
    hours_of_data: float
    market_orders: int
    spread_bps: Measured
    """Touch to touch, weighted by time."""
    adverse_bps: Measured
    """Of all market orders at 5 s."""
    beyond_bps: Measured
    """1/κ: mean reach of market orders beyond the touch."""
    rungs: tuple[Rung, ...]
    """By half spread, tightest first."""
    hours: tuple[float, ...] = (1.0,) * HOURS
    """By hour of the day (UTC)."""
    weekend: float = 1.0
    reasons: tuple[str, ...] = ()
    """Why a multiplier is not 1, in words for people."""


class MarketProfile(msgspec.Struct, frozen=True, kw_only=True):
    """`venue` is that of the data folder; a profile of another one says nothing."""

    made_ms: int
    venue: str
    first_ms: int
    last_ms: int
    coins: tuple[CoinProfile, ...]


def read(data_dir: Path) -> MarketProfile | None:
    """The newest profile; None when none was made yet.

    Raises:
        DataError: there is a file, but it is none.
    """
    file = data_dir / FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=MarketProfile)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeError) as error:
        raise DataError(f"{file}: no market profile ({error}); market_maker analyze writes a new one") from error


def write(data_dir: Path, profile: MarketProfile) -> None:
    """Replaces the file at once.

    Raises:
        OSError: as the system says it.
    """
    file = data_dir / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(profile), indent=1))
    fresh.replace(file)
