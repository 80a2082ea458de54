"""Recordings become venue events: order inside a block, each trade once, nothing over a hole, damage named."""

import csv
import gzip
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from services.venue.market.feed import Hole, Pacer, Raw
from services.venue.market.replay import HOLE_MS, Recording, open_recording
from shared.errors import DataError
from shared.hyperliquid.wire import ActiveAssetCtx, Bbo, L2Book, WireTrade

MAIN = "hl-20250904-4coins-a"
HOLED = "hl-20250903-4coins"
TOUCH_ONLY = "hl-202509-btc-tob"


def coin_of(event: Raw) -> str:
    return event[0].coin if isinstance(event, tuple) else event.coin


# ---- the real recordings -------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[MAIN, HOLED, TOUCH_ONLY])
def recording(request: pytest.FixtureRequest, recordings: Path) -> Recording:
    return open_recording(recordings / request.param)


def test_time_never_goes_back_and_a_tid_comes_once(recording: Recording) -> None:
    last_ms, seen, blocks = 0, set(), {}
    for time_ms, event in recording.events():
        assert time_ms >= last_ms
        last_ms = time_ms
        coin = coin_of(event)
        if isinstance(event, tuple):
            assert blocks.get(coin) != time_ms, "a block's trades stand before its book"
            for trade in event:
                assert trade.time == time_ms
                assert (coin, trade.tid) not in seen
                seen.add((coin, trade.tid))
        elif isinstance(event, (Bbo, L2Book)):
            assert event.time == time_ms
            blocks[coin] = time_ms
    assert recording.start_ms <= last_ms <= recording.end_ms
    assert seen
    assert recording.warnings == []


def test_the_main_recording_gives_every_new_trade_of_its_files(recordings: Path) -> None:
    """Of the 4026 BTC prints, 30 precede the first book and 30 were replayed after the hole."""
    expected = {}
    recording = open_recording(recordings / MAIN)
    holes = {coin_of(raw): raw for _, raw in recording.raw() if isinstance(raw, Hole)}
    for meta in recording.coins:
        with gzip.open(recordings / MAIN / f"trades_{meta.coin}.csv.gz", "rt") as file:
            rows = {row["trade_id"]: int(row["exchange_timestamp"]) for row in csv.DictReader(file)}
        hole = holes[meta.coin]
        assert hole.end_ms - hole.start_ms > 15_000
        expected[meta.coin] = sum(
            1
            for time_ms in rows.values()
            if recording.start_ms < time_ms and not hole.start_ms < time_ms <= hole.end_ms
        )
    found = Counter(trade.coin for _, event in recording.events() if isinstance(event, tuple) for trade in event)
    assert found["BTC"] == 3966
    for coin, count in expected.items():
        assert found[coin] == pytest.approx(count, abs=3), "but for prints after the last book"


def test_a_hole_is_silence_and_then_a_fresh_book(recordings: Path) -> None:
    recording = open_recording(recordings / HOLED)
    holes = [raw for _, raw in recording.raw() if isinstance(raw, Hole) and raw.coin == "BTC"]
    assert [hole.end_ms - hole.start_ms > 40_000 for hole in holes] == [True, True]
    after: dict[int, list[type]] = {hole.end_ms: [] for hole in holes}
    for time_ms, event in recording.events():
        if coin_of(event) != "BTC":
            continue
        assert not any(hole.start_ms < time_ms < hole.end_ms for hole in holes)
        if time_ms in after:
            assert not isinstance(event, tuple)
            after[time_ms].append(type(event))
    for kinds in after.values():
        assert kinds.count(L2Book) == 2, "the full and the fast book at once"


def test_books_are_full_and_the_fast_ones_short(recordings: Path) -> None:
    sizes = Counter(
        (event.fast, len(event.levels[0]), len(event.levels[1]))
        for _, event in open_recording(recordings / MAIN).events()
        if isinstance(event, L2Book)
    )
    assert set(sizes) == {(False, 20, 20), (True, 5, 5)}
    assert sizes[True, 5, 5] > 8 * sizes[False, 20, 20]


def test_known_coins_have_the_venues_decimals(recordings: Path) -> None:
    coins = {meta.coin: (meta.sz_decimals, meta.max_leverage) for meta in open_recording(recordings / MAIN).coins}
    assert coins == {"BTC": (5, 40), "ETH": (4, 25), "SOL": (2, 20), "WLFI": (0, 5)}


def test_reading_twice_gives_the_same(recordings: Path) -> None:
    recording = open_recording(recordings / HOLED)
    assert list(recording.events()) == list(recording.events())


# ---- made-up recordings --------------------------------------------------------------------------------------

T0 = 1_700_000_000_000


def write(path: Path, header: str, rows: list[str], *, compress: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join([header, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if compress else text.encode())
    return path


def prices(folder: Path, times: list[int], coin: str = "NEW") -> Path:
    rows = [
        f"{t / 1000},{px},{sz},{side},{t}"
        for t in times
        for side, px, sz in (("bid", 10.0, 1.25), ("ask", 10.01, 2.5))
    ]
    return write(
        folder / f"prices_{coin}.csv.gz", "timestamp,price,size,side,exchange_timestamp", rows, compress=True
    )


def trades(folder: Path, times: list[int], coin: str = "NEW") -> Path:
    rows = [f"{t / 1000},10.01,0.5,buy,{i},{t}" for i, t in enumerate(times)]
    header = "timestamp,price,size,side,trade_id,exchange_timestamp"
    return write(folder / f"trades_{coin}.csv.gz", header, rows, compress=True)


OWN_HEADER = "timestamp_ms,coin," + ",".join(
    f"{side}_{field}_{i}" for side in ("bid", "ask") for i in range(1, 6) for field in ("px", "sz")
)


def own_row(time_ms: int, bid: str = "100.0") -> str:
    bids = [bid, "1.5", "99.9", "2", "99.8", "1", "", "", "", ""]
    asks = ["100.1", "1", "100.2", "3", "100.3", "2", "100.4", "1", "100.5", "2"]
    return ",".join([str(time_ms), "BTC", *bids, *asks])


def test_our_own_recordings_replay(tmp_path: Path) -> None:
    write(
        tmp_path / "depth/BTC/2023-11-14.csv",
        OWN_HEADER,
        [own_row(T0), own_row(T0 + 400), own_row(T0 + 900, "99.95")],
    )
    write(
        tmp_path / "trades/BTC/2023-11-14.csv",
        "timestamp_ms,coin,px,sz,side,tid",
        [f"{T0 - 5},BTC,100.1,0.2,B,1", f"{T0 + 900},BTC,100.0,0.1,A,2", f"{T0 + 900},BTC,100.0,0.1,A,2"],
    )
    recording = open_recording(tmp_path)
    assert (recording.start_ms, recording.end_ms) == (T0, T0 + 900)
    market = [event for _, event in recording.events() if not isinstance(event, ActiveAssetCtx)]
    kinds = [type(event).__name__ + ("+" if getattr(event, "fast", False) else "") for event in market]
    assert kinds == ["Bbo", "L2Book", "L2Book+", "L2Book+", "tuple", "Bbo", "L2Book+"]
    assert market[4] == (WireTrade("BTC", "A", Decimal("100.0"), Decimal("0.1"), T0 + 900, 2),)
    first = market[1]
    assert isinstance(first, L2Book)
    assert (len(first.levels[0]), len(first.levels[1])) == (3, 5), "empty cells are missing levels"


def test_without_books_the_touch_is_the_book_and_sizes_tell_the_decimals(tmp_path: Path) -> None:
    prices(tmp_path, [T0, T0 + 600])
    recording = open_recording(tmp_path)
    assert recording.coins[0].sz_decimals == 2
    books = [event for _, event in recording.events() if isinstance(event, L2Book)]
    assert [len(book.levels[0]) for book in books] == [1, 1, 1]


def test_trades_in_a_hole_and_before_the_first_book_are_left_out(tmp_path: Path) -> None:
    gap = HOLE_MS + 1
    prices(tmp_path, [T0, T0 + 100, T0 + 100 + gap, T0 + 300 + gap])
    trades(tmp_path, [T0 - 50, T0, T0 + 50, T0 + 100, T0 + 3000, T0 + 100 + gap, T0 + 200 + gap])
    kept = [event[0].tid for _, event in open_recording(tmp_path).events() if isinstance(event, tuple)]
    assert kept == [2, 3, 6]


def test_the_context_is_made_of_the_mid(tmp_path: Path) -> None:
    prices(tmp_path, [T0, T0 + 500, T0 + 1000])
    contexts = [event.ctx for _, event in open_recording(tmp_path).events() if isinstance(event, ActiveAssetCtx)]
    assert len(contexts) == 2
    assert contexts[0].oraclePx == contexts[0].markPx == contexts[0].midPx == Decimal("10.005")
    assert contexts[0].funding == Decimal("0.0000125")


def test_pacer_sends_fast_and_slow_books_at_their_intervals() -> None:
    pacer = Pacer(fast_ms=500, slow_ms=5000)
    sent = Counter(
        event.fast
        for time_ms in range(0, 60_000, 100)
        for event in pacer.step(time_ms, L2Book("BTC", time_ms, ((), ())))
        if isinstance(event, L2Book)
    )
    assert sent[False] == pytest.approx(60 / 5, abs=1)
    assert 60 / 0.5 <= sent[True] <= 60 / 0.3


# ---- damage --------------------------------------------------------------------------------------------------


def test_a_truncated_gzip_is_read_to_its_last_row_with_a_warning(tmp_path: Path) -> None:
    path = prices(tmp_path, list(range(T0, T0 + 4000 * 70, 70)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    recording = open_recording(tmp_path)
    assert len(recording.warnings) == 1
    assert "prices_NEW.csv.gz" in recording.warnings[0]
    count = sum(isinstance(event, Bbo) for _, event in recording.events())
    assert 1000 < count < 4000


@pytest.mark.parametrize("torn", ["1700000001,10.01,0.5,buy,7,17000", "1700000001,10.0"])
def test_a_torn_last_line_is_left_out_with_a_warning(tmp_path: Path, torn: str) -> None:
    prices(tmp_path, [T0, T0 + 100, T0 + 2000])
    path = trades(tmp_path, [T0 + 50])
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + torn.encode()))
    recording = open_recording(tmp_path)
    assert [warning for warning in recording.warnings if "row 3" in warning and "torn" in warning]
    assert sum(isinstance(event, tuple) for _, event in recording.events()) == 1


def test_a_damaged_row_in_the_middle_is_refused_with_file_row_and_remedy(tmp_path: Path) -> None:
    write(
        tmp_path / "depth/BTC/2023-11-14.csv",
        OWN_HEADER,
        [own_row(T0), own_row(T0 + 100).replace("99.9", "9x.9"), own_row(T0 + 200)],
    )
    with pytest.raises(DataError, match=r"2023-11-14\.csv: row 3.*cut the file before that row"):
        list(open_recording(tmp_path).events())


@pytest.mark.parametrize("value", ["nan", "-1", "0", "inf"])
def test_a_number_that_is_no_price_is_refused(tmp_path: Path, value: str) -> None:
    rows = [own_row(T0), own_row(T0 + 100, value), own_row(T0 + 200)]
    write(tmp_path / "depth/BTC/2023-11-14.csv", OWN_HEADER, rows)
    with pytest.raises(DataError, match="row 3"):
        list(open_recording(tmp_path).events())


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    write(tmp_path / "depth/BTC/2023-11-14.csv", OWN_HEADER.replace(",ask_sz_5", ""), [own_row(T0)])
    with pytest.raises(DataError, match="'ask_sz_5' is missing"):
        open_recording(tmp_path)


def test_time_that_goes_back_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "depth/BTC/2023-11-14.csv", OWN_HEADER, [own_row(T0), own_row(T0 - 1)])
    with pytest.raises(DataError, match="time may not go back"):
        list(open_recording(tmp_path).events())


def test_what_is_no_recording_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no recording found"):
        open_recording(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        open_recording(tmp_path / "nowhere")
    write(tmp_path / "ticks/BTC/2023-11-14.csv", "timestamp_ms,coin,bid,ask,mid,spread_bps", [])
    with pytest.raises(DataError, match="MM_HARVEST_DEPTH_LEVELS=5"):
        open_recording(tmp_path)


def test_a_file_that_is_no_gzip_and_one_without_rows(tmp_path: Path) -> None:
    path = prices(tmp_path, [])
    with pytest.raises(DataError, match="holds no book"):
        open_recording(tmp_path)
    path.write_bytes(b"this is not compressed\n")
    with pytest.raises(DataError, match=r"prices_NEW\.csv\.gz"):
        open_recording(tmp_path)
