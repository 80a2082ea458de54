"""The table of `top`, drawn line by line: cells that are widgets of their own take a tenth of a core."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from market_maker.top.view import Cell, Column

_HEADER = Style(bold=True, reverse=True)
_CURSOR = Style(bold=True, bgcolor="#0b4f8a")
Row = tuple[Cell, ...]


class Grid(Widget, can_focus=True):
    """Columns with their widths, a head, a row for each coin, and the chosen one, always in view."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home", "move(-1000)", show=False),
        Binding("end", "move(1000)", show=False),
        Binding("enter", "choose", "coin"),
    ]

    class Chosen(Message):
        """Enter, or a click on the chosen row."""

        def __init__(self, coin: str) -> None:
            super().__init__()
            self.coin = coin

    class HeadClicked(Message):
        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self) -> None:
        super().__init__()
        self.columns: Sequence[tuple[Column, int]] = ()
        self.names: list[str] = []
        self.rows: list[Row] = []
        self.cursor = 0
        self._marks: dict[str, str] = {}
        self._top = 0

    @property
    def chosen(self) -> str:
        return self.names[self.cursor] if self.names else ""

    def head(self, columns: Sequence[tuple[Column, int]], marks: dict[str, str]) -> None:
        """Other columns or marks beside their names."""
        self.columns, self._marks = columns, marks
        self.refresh()

    def show(self, names: Sequence[str], rows: Sequence[Row]) -> None:
        """The chosen coin stays chosen, wherever it is now; only lines that changed are drawn."""
        before, top, chosen = self.rows, self._top, self.cursor
        if self.chosen in names:
            self.cursor = names.index(self.chosen)
        self.names, self.rows = list(names), list(rows)
        self._keep_in_view()
        if len(before) != len(rows) or (top, chosen) != (self._top, self.cursor):
            self.refresh()
            return
        width, shown = self.size.width, range(self._top, self._top + self.size.height)
        changed = (place for place in shown if rows[place : place + 1] != before[place : place + 1])
        lines = [Region(0, 1 + place - self._top, width, 1) for place in changed]
        if lines:
            self.refresh(*lines)

    def _keep_in_view(self) -> None:
        height = max(1, self.size.height - 1)
        self.cursor = max(0, min(self.cursor, len(self.rows) - 1))
        self._top = max(0, min(self._top, self.cursor, len(self.rows) - height))
        self._top = max(self._top, self.cursor - height + 1)

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self._strip([self._label(column) for column, _ in self.columns], _HEADER)
        place = y - 1 + self._top
        if place >= len(self.rows):
            return Strip.blank(self.size.width, self.rich_style)
        return self._strip(self.rows[place], _CURSOR if place == self.cursor else Style.null())

    def _label(self, column: Column) -> Cell:
        mark = self._marks.get(column.name, "")
        return Cell(f"{mark}{column.name}" if column.right else f"{column.name}{mark}")

    def _strip(self, cells: Sequence[Cell], over: Style) -> Strip:
        base = self.rich_style
        segments = [
            Segment(_fit(cell.text, width, column.right), base + Style.parse(cell.style) + over)
            for cell, (column, width) in zip(cells, self.columns, strict=True)
        ]
        return Strip(segments).adjust_cell_length(self.size.width, base + over)

    # ---- keys and mouse ----

    def action_move(self, by: int) -> None:
        self.cursor += by
        self._keep_in_view()
        self.refresh()

    def action_choose(self) -> None:
        if self.chosen:
            self.post_message(self.Chosen(self.chosen))

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.action_move(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.action_move(-1)

    def on_resize(self) -> None:
        self._keep_in_view()

    def on_click(self, event: Click) -> None:
        if event.y == 0:
            self._click_head(event.x)
            return
        place = event.y - 1 + self._top
        if place == self.cursor:
            self.action_choose()
        elif place < len(self.rows):
            self.action_move(place - self.cursor)

    def _click_head(self, x: int) -> None:
        for column, width in self.columns:
            if x < width:
                self.post_message(self.HeadClicked(column.name))
                return
            x -= width


def _fit(text: str, width: int, right: bool) -> str:
    """In exactly `width`; what is cut ends in an ellipsis."""
    if len(text) > width:
        text = text[: width - 1] + "…"
    return text.rjust(width) if right else text.ljust(width)
