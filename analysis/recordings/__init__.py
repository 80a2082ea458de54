"""Recordings of any known shape as sources of the market: our own formats, raw frames, three other exchanges.

`open_any` recognises a folder by its files. Prices and sizes are taken as they stand; coins get the grids of their
namesakes at the venue. None of the other exchanges' recordings tells mark, oracle or funding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from analysis.recordings import aster, binance, standx
from analysis.recordings.foreign import Foreign
from services.venue.market.frames import Frames, find_frames
from services.venue.market.replay import Recording, open_recording
from shared.errors import DataError


@dataclass(frozen=True)
class Shape:
    """Files that tell a format, and who reads it."""

    venue: str
    pattern: str
    about: str
    open: Callable[[Path], Foreign]


SHAPES = (
    Shape("aster", "orderbook_*USDT.csv.gz", "Aster books and trades_*USDT.csv.gz", aster.open_folder),
    Shape("binance", "*usdt_*.gz", "raw Binance USD-M frames, `<receive ns> <frame>` a line", binance.open_folder),
    Shape("standx", "orderbook_*.parquet", "StandX books and trades_*.parquet", standx.open_folder),
)
KNOWN = (
    ("prices_COIN.csv[.gz]", "Hyperliquid touches, with orderbooks_COIN and trades_COIN"),
    ("frames-*.gz", "raw Hyperliquid frames, as market_maker record writes them"),
    ("*usd_*.gz", "raw Hyperliquid frames, `<receive ns> <frame>` a line"),
    *((shape.pattern, shape.about) for shape in SHAPES),
)
"""Pattern and description of every shape, for people."""
OWN = ("ticks", "trades", "depth", "parquet", "parquet_trades", "parquet_depth")


def open_any(folder: Path) -> tuple[str, Recording | Frames | Foreign]:
    """The venue's name (`replay` for Hyperliquid's) and the recording of a folder.

    Raises:
        DataError: no recording with books and trades, or a damaged one; says what is expected.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the folder of a recording")
    for shape in SHAPES:
        if any(folder.glob(shape.pattern)):
            return shape.venue, shape.open(folder)
    if any((folder / family).is_dir() for family in OWN):
        raise DataError(f"{folder}: a data folder already, nothing has to be imported; give it with --data")
    if any(folder.glob("node_fills*")):
        raise DataError(
            f"{folder}: fills of the node, without any book; neither spread nor adverse selection can be measured "
            "without the prices that stood before each trade; record books too (market_maker record)"
        )
    try:
        return "replay", open_recording(folder)
    except DataError as error:
        if any(folder.glob("prices_*.csv*")) or find_frames(folder):
            raise
        known = "".join(f"\n  {pattern}: {about}" for pattern, about in KNOWN)
        raise DataError(f"{folder}: no recording found; its files tell the shape, known are:{known}") from error
