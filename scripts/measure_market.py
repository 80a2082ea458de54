"""Measure the parameters of the modelled market from recordings: `python scripts/measure_market.py DIR`.

Writes `services/venue/market_parameters.json`: numbers only, nothing of the recordings themselves. Needs
pandas (a development dependency); the venue itself does not.

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
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

RECORDING = "hl-20250904-4coins-a"
SNAPSHOT = "hl-meta/metaAndAssetCtxs_202605_joined.json"
OUTPUT = Path(__file__).resolve().parents[1] / "services/venue/market_parameters.json"
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


def measure(folder: Path, coin: str, sz_decimals: int) -> dict[str, Any]:
    books = pd.read_csv(folder / f"orderbooks_{coin}.csv.gz")
    quotes = pd.read_csv(folder / f"prices_{coin}.csv.gz")
    trades = pd.read_csv(folder / f"trades_{coin}.csv.gz").drop_duplicates("trade_id")
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
        "level_usd": round(float(sizes.mean())),
        "level_gap_ticks": round(float(width.mean()) / (LEVELS - 1) / step, 3),
        "touch_changes_per_s": round(len(mid) / hours / 3600, 3),
        "takers_per_s": round(len(takers) / hours / 3600, 4),
        "taker_usd_median": round(float(takers.usd.median()), 1),
        "taker_usd_log_sd": round(float(np.log(takers.usd).std()), 3),
        "hawkes_branching": branching,
        "hawkes_decay_per_s": decay,
        "sign_persistence": round(float((takers.sign.diff().iloc[1:] == 0).mean()), 3),
        "impact_spreads": round(float(((after - before) * takers.sign).mean()) / spread, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("recordings", type=Path, help="folder with the recordings")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    coins, universe = listed(arguments.recordings / SNAPSHOT)
    folder = arguments.recordings / RECORDING
    recorded = sorted(path.name.split("_")[1].split(".")[0] for path in folder.glob("orderbooks_*.csv.gz"))
    top = {coin["name"] for coin in coins}
    parameters = {
        "coins": coins,
        "others": [
            {
                "coin": name,
                "sz_decimals": universe[name]["szDecimals"],
                "max_leverage": universe[name]["maxLeverage"],
            }
            for name in recorded
            if name not in top
        ],
        "flows": [measure(folder, name, universe[name]["szDecimals"]) for name in recorded],
    }
    text = json.dumps(parameters, indent=1)
    arguments.output.write_text(text + "\n")
    print(json.dumps(parameters["flows"], indent=1))


if __name__ == "__main__":
    main()
