"""A small chart in text: the mid around a fill, in bps of the mid before it, and our price as a line."""

from collections.abc import Sequence

from market_maker.explain.evidence import AFTER_MS, BEFORE_MS, Mid
from market_maker.explain.judge import mid_at

COLUMNS, ROWS = 67, 9
"""A second each; with its scale it fits a terminal 80 columns wide."""
MID, PRICE, BOTH, FILL = "•", "─", "◆", "┊"
_STEP_MS = (BEFORE_MS + AFTER_MS) // COLUMNS


def draw(mids: Sequence[Mid], time_ms: int, mid_px: float, px: float) -> list[str]:
    """Lines, the highest price first; none when no mid is known."""
    known = tuple(mids)
    begin_ms = time_ms - BEFORE_MS
    found = [mid_at(known, begin_ms + column * _STEP_MS) for column in range(COLUMNS)]
    values = [None if mid is None else (mid.px / mid_px - 1) * 1e4 for mid in found]
    told = [value for value in values if value is not None]
    if not told:
        return []
    ours = (px / mid_px - 1) * 1e4
    low, high = min(*told, ours), max(*told, ours)
    step = max(high - low, 0.1) / (ROWS - 1)
    fill_column, price_row = BEFORE_MS // _STEP_MS, round((high - ours) / step)
    grid = [[PRICE if row == price_row else " "] * COLUMNS for row in range(ROWS)]
    for row in grid:
        row[fill_column] = FILL
    for column, value in enumerate(values):
        if value is not None:
            row_number = round((high - value) / step)
            grid[row_number][column] = BOTH if row_number == price_row else MID
    lines = [f"{high - number * step:+7.2f} {''.join(row).rstrip()}" for number, row in enumerate(grid)]
    return [*lines, " " * 8 + _axis()]


def _axis() -> str:
    marks = [" "] * (COLUMNS + 4)
    for at_s in (-5, 0, 5, 15, 30, 45, 60):
        column = (BEFORE_MS + 1000 * at_s) // _STEP_MS
        text = f"{at_s:+d}s" if at_s else "fill"
        marks[column : column + len(text)] = text
    return "".join(marks).rstrip()
