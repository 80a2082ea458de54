"""Measure the parameters of the modelled market from recordings: `python -m scripts.measure_market DIR`.

Writes `services/venue/market/market_parameters.json`: numbers only, nothing of the recordings themselves. Needs
pandas (a development dependency); the venue itself does not.

`--modelled SECONDS` measures the modelled market the same way and prints it beside the recordings.

Per recorded coin (folder `hl-20250904-4coins-a`):

    minute_atr_frac       mean over minutes of the mid's (high - low) / mean
    second_vol_frac       standard deviation of 10 s mid returns / sqrt(10)
    spread_ticks          mean of (ask - bid) / tick over books
    touch_usd, level_usd  median size at the best level; mean size of levels 2 to 20
    level_gap_ticks       mean distance of neighbouring levels / tick
    touch_changes_per_s   bbo messages a second
    takers_per_s          taker orders a second: prints of one block and one side are one order
    taker_usd_*           median and log standard deviation of their size
    hawkes_*              branching ratio and decay of the exponential Hawkes process with the highest
                          likelihood on a grid (Ozaki 1979) for the times of taker orders
    sign_persistence      P(next taker order has the same side)
    impact_spreads        mean move of the mid towards the taker 5 s after a taker order / mean spread
"""

import argparse
import gzip
import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from services.venue.market.market import blocks
from services.venue.market.modelled import ModelledMarket
from shared.hyperliquid.wire import Bbo, L2Book

FILLS = "hl-20251027-fills-all-coins/node_fills_by_block.jsonl.gz"
FEWEST_ORDERS = 5
RECORDING = "hl-20250904-4coins-a"
SNAPSHOT = "hl-meta/metaAndAssetCtxs_202605_joined.json"
OUTPUT = Path(__file__).resolve().parents[1] / "services/venue/market/market_parameters.json"
TOP_N = 30
LEVELS = 20


def tick(px: float, sz_decimals: int) -> float:
    return 10.0 ** -min(max(4 - int(np.floor(np.log10(px))), 0), 6 - sz_decimals)


def listed(snapshot: Path) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The top coins with their prices and volumes, and the whole universe by name."""
    meta, contexts = json.loads(snapshot.read_text())
    universe = meta["universe"]
    ranked = sorted(zip(universe, contexts, strict=True), key=lambda pair: -float(pair[1]["dayNtlVlm"]))
    top = [(coin, ctx) for coin, ctx in ranked if not coin.get("isDelisted")][:TOP_N]
    rows = []
    for coin, ctx in top:
        bid, ask = (float(px) for px in ctx["impactPxs"])
        rows.append(
            {
                "name": coin["name"],
                "sz_decimals": coin["szDecimals"],
                "max_leverage": coin["maxLeverage"],
                "mid_px": float(ctx["midPx"]),
                "day_ntl_usd": round(float(ctx["dayNtlVlm"])),
                "open_interest_sz": round(float(ctx["openInterest"]), coin["szDecimals"]),
                "funding_1h_frac": float(ctx["funding"]),
                "spread_bps": round((ask - bid) / float(ctx["midPx"]) * 1e4, 3),
            }
        )
    return rows, {coin["name"]: coin for coin in universe}


def hawkes(times_s: np.ndarray) -> tuple[float, float]:
    """(branching ratio, decay per second) maximising the likelihood of lambda = mu + sum a b exp(-b dt).

    With the branching ratio n and decay b fixed, mu follows from the mean rate: mu = rate (1 - n).
    """
    span = times_s[-1] - times_s[0]
    rate = len(times_s) / span
    best = (-np.inf, 0.0, 1.0)
    gaps = np.diff(times_s)
    for decay in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0):
        fade = np.exp(-decay * gaps)
        excited = np.zeros(len(times_s))
        for i, factor in enumerate(fade, 1):
            excited[i] = factor * (1 + excited[i - 1])
        tails = np.sum(1 - np.exp(-decay * (times_s[-1] - times_s)))
        for branching in np.arange(0.05, 1.0, 0.05):
            mu = rate * (1 - branching)
            likelihood = np.sum(np.log(mu + branching * decay * excited)) - mu * span - branching * tails
            best = max(best, (float(likelihood), float(branching), decay))
    return round(best[1], 2), best[2]


def taker_rate(path: Path) -> dict[str, float]:
    """Least squares of log(taker orders a second) on log(day volume), perps with a few orders at least."""
    orders: dict[str, dict[tuple[int, str], float]] = {}
    times = []
    with gzip.open(path, "rt") as file:
        for line in file:
            block = json.loads(line)
            times.append(pd.Timestamp(block["block_time"]).timestamp())
            for _, fill in block["events"]:
                coin = fill["coin"]
                if fill["crossed"] and not coin.startswith("@") and ":" not in coin and "/" not in coin:
                    key = (block["block_number"], fill["side"])
                    ntl = float(fill["px"]) * float(fill["sz"])
                    orders.setdefault(coin, {})[key] = orders.get(coin, {}).get(key, 0.0) + ntl
    span_s = times[-1] - times[0]
    points = [
        (np.log(sum(by_order.values()) / span_s * 86_400), np.log(len(by_order) / span_s))
        for by_order in orders.values()
        if len(by_order) >= FEWEST_ORDERS
    ]
    exponent, intercept = np.polyfit([x for x, _ in points], [y for _, y in points], 1)
    return {"coefficient": round(float(np.exp(intercept)), 8), "exponent": round(float(exponent), 4)}


Tables = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def recorded_tables(folder: Path, coin: str) -> Tables:
    names = ("orderbooks", "prices", "trades")
    books, quotes, trades = (pd.read_csv(folder / f"{name}_{coin}.csv.gz") for name in names)
    return books, quotes, trades.drop_duplicates("trade_id")


def modelled_tables(seed: int, seconds: int) -> dict[str, Tables]:
    """The modelled market in the columns of the recordings."""
    market = ModelledMarket(seed=seed)
    rows: dict[str, tuple[list[Any], list[Any], list[Any]]] = {c.coin: ([], [], []) for c in market.coins}
    within = takewhile(lambda block: block[0] <= seconds * 1000, blocks(market))
    for time_ms, event in ((time_ms, event) for time_ms, news in within for event in news):
        if isinstance(event, L2Book):
            bids, asks = event.levels
            row: dict[str, float] = {"exchange_timestamp": time_ms}
            for side, levels in (("bid", bids), ("ask", asks)):
                for i, level in enumerate(levels):
                    row |= {f"{side}_price_{i}": float(level.px), f"{side}_size_{i}": float(level.sz)}
            rows[event.coin][0].append(row)
        elif isinstance(event, Bbo):
            for side, best in zip(("bid", "ask"), event.bbo, strict=True):
                assert best is not None, "a modelled side is never empty"
                rows[event.coin][1].append((time_ms, side, float(best.px), float(best.sz)))
        elif isinstance(event, tuple):
            for t in event:
                side = "buy" if t.side == "B" else "sell"
                rows[t.coin][2].append((time_ms, t.tid, side, float(t.px), float(t.sz)))
    return {
        coin: (
            pd.DataFrame(books),
            pd.DataFrame(quotes, columns=["exchange_timestamp", "side", "price", "size"]),
            pd.DataFrame(trades, columns=["exchange_timestamp", "trade_id", "side", "price", "size"]),
        )
        for coin, (books, quotes, trades) in rows.items()
    }


def measure(coin: str, sz_decimals: int, tables: Tables) -> dict[str, Any]:
    books, quotes, trades = tables
    trades = trades[trades.exchange_timestamp > books.exchange_timestamp.iloc[0]]
    hours = (books.exchange_timestamp.iloc[-1] - books.exchange_timestamp.iloc[0]) / 3.6e6
    px = float(books.bid_price_0.iloc[0])
    step = tick(px, sz_decimals)

    bids = quotes[quotes.side == "bid"]
    mid = pd.Series(
        (bids.price.to_numpy() + quotes[quotes.side == "ask"].price.to_numpy()) / 2,
        index=bids.exchange_timestamp.to_numpy(),
    )
    minutes = mid.groupby(mid.index // 60_000)
    atr = ((minutes.max() - minutes.min()) / minutes.mean()).mean()
    tens = mid.groupby(mid.index // 10_000).last()
    returns = np.log(tens).diff()[np.diff(tens.index, prepend=tens.index[0]) == 1]

    sizes = np.concatenate(
        [
            books[f"{side}_price_{i}"] * books[f"{side}_size_{i}"]
            for side in ("bid", "ask")
            for i in range(1, LEVELS)
        ]
    )
    touch = np.concatenate([books[f"{side}_price_0"] * books[f"{side}_size_0"] for side in ("bid", "ask")])
    width = np.concatenate(
        [
            books.bid_price_0 - books[f"bid_price_{LEVELS - 1}"],
            books[f"ask_price_{LEVELS - 1}"] - books.ask_price_0,
        ]
    )
    trades = trades.assign(usd=trades.price * trades["size"], sign=np.where(trades.side == "buy", 1, -1))
    takers = trades.groupby(["exchange_timestamp", "sign"], sort=True).usd.sum().reset_index()
    times_ms = takers.exchange_timestamp.to_numpy()
    before = mid.to_numpy()[np.maximum(np.searchsorted(mid.index, times_ms, "left") - 1, 0)]
    after = mid.to_numpy()[np.maximum(np.searchsorted(mid.index, times_ms + 5000, "right") - 1, 0)]
    spread = float((books.ask_price_0 - books.bid_price_0).mean())
    branching, decay = hawkes(np.unique(times_ms) / 1000)
    return {
        "coin": coin,
        "day_ntl_usd": round(float(trades.usd.sum()) / hours * 24),
        "minute_atr_frac": round(float(atr), 6),
        "second_vol_frac": round(float(returns.std()) / 10**0.5, 7),
        "spread_ticks": round(spread / step, 3),
        "touch_usd": round(float(np.median(touch))),
        "level_usd": round(float(np.nanmean(sizes))),
        "level_gap_ticks": round(float(np.nanmean(width)) / (LEVELS - 1) / step, 3),
        "touch_changes_per_s": round(len(mid) / hours / 3600, 3),
        "takers_per_s": round(len(takers) / hours / 3600, 4),
        "taker_usd_median": round(float(takers.usd.median()), 1),
        "taker_usd_log_sd": round(float(np.log(takers.usd).std()), 3),
        "hawkes_branching": branching,
        "hawkes_decay_per_s": decay,
        "sign_persistence": round(float((takers.sign.diff().iloc[1:] == 0).mean()), 3),
        "impact_spreads": round(float(((after - before) * takers.sign).mean()) / spread, 3),
    }


def parameters(recordings: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What is stored, and the universe it was taken from."""
    coins, universe = listed(recordings / SNAPSHOT)
    folder = recordings / RECORDING
    recorded = sorted(path.name.split("_")[1].split(".")[0] for path in folder.glob("orderbooks_*.csv.gz"))
    top = {coin["name"] for coin in coins}
    others = [
        {"coin": name, "sz_decimals": universe[name]["szDecimals"], "max_leverage": universe[name]["maxLeverage"]}
        for name in recorded
        if name not in top
    ]
    flows = [measure(name, universe[name]["szDecimals"], recorded_tables(folder, name)) for name in recorded]
    rate = taker_rate(recordings / FILLS)
    return {"coins": coins, "others": others, "flows": flows, "taker_rate": rate}, universe


def comparison(measured: dict[str, Any], universe: dict[str, dict[str, Any]], tables: dict[str, Tables]) -> str:
    """Recorded and modelled coins, one row each."""
    rows = {f"{flow['coin']} recorded": flow for flow in measured["flows"]}
    for name, table in tables.items():
        rows[f"{name} modelled"] = measure(name, universe[name]["szDecimals"], table)
    return str(pd.DataFrame(rows).drop("coin").T.to_string())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", type=Path, help="folder with the recordings")
    parser.add_argument("--modelled", type=int, metavar="SECONDS", help="compare, write nothing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    measured, universe = parameters(arguments.recordings)
    if arguments.modelled:
        print(comparison(measured, universe, modelled_tables(arguments.seed, arguments.modelled)))
        return
    arguments.output.write_text(json.dumps(measured, indent=1) + "\n")
    print(f"{arguments.output}: {len(measured['coins'])} coins, {len(measured['flows'])} of them measured")


if __name__ == "__main__":
    main()
