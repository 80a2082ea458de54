"""Raw frames of the venue itself: `<receive ns> <frame>` a line."""

import gzip
from pathlib import Path

from analysis.recordings.foreign import Foreign, Item, in_memory
from shared.hyperliquid.wire import decode_frame


def open_folder(folder: Path) -> Foreign:
    by_coin: dict[str, list[Item]] = {}
    for file in sorted(folder.glob("*usd_*.gz")):
        with gzip.open(file, "rt") as opened:
            for line in opened:
                received_ns, frame = line.split(" ", 1)
                _, event = decode_frame(frame)
                if event:
                    coin = event[0].coin if isinstance(event, tuple) else event.coin
                    by_coin.setdefault(coin, []).append((int(received_ns) // 1_000_000, event))
    return in_memory(folder.name, by_coin)
