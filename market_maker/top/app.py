"""The screen of `top`: the grid, one coin, the halt, the help."""

from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Input, Label, Static

from market_maker.operator_bus import OK
from market_maker.top import detail
from market_maker.top.grid import Grid
from market_maker.top.view import BY_VOLUME, columns, head, ordered
from market_maker.top.watcher import Seen, Watcher
from shared.errors import ConfigError

EVERY_S = 0.5
WORD = "HALT"
HELP = """\
[b]top[/b]: every coin, twice a second. It reads, and changes nothing but by h.

 up, down  choose a coin
 enter     its ladder, lease, estimates and last fills; Esc: back
 s, S      sort by the next column, by the one before; or click on it
 r, v      turn the order round; back to the order of the volume
 h         halt everything: asks for a reason and the word HALT
 q, ctrl+q leave top; the bot goes on

[b]coin, state[/b]  green: quotes both sides   yellow: one, and why not the other
             red: none, and why         grey: not meant to be quoted
[b]bid bp, ask bp[/b]  distance of our best order from the mid, in bps
`market_maker resume` ends a halt."""


class Help(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "dismiss", "back")]

    def compose(self) -> ComposeResult:
        yield Static(HELP, id="help")


class Halt(ModalScreen[None]):
    """Asks what `market_maker halt` asks, and for a word, as a key is pressed more easily than a command typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back")]

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self._watcher = watcher

    def compose(self) -> ComposeResult:
        with Vertical(id="halt"):
            yield Label("HALT: cancels every order and stops quoting until `market_maker resume`. Positions stay.")
            yield Input(placeholder="reason; resume asks for it", id="reason")
            yield Input(placeholder=f"type {WORD} and press enter", id="word")
            yield Static("Esc: back, nothing is sent", id="answer")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        word, reason = self.query_one("#word", Input), self.query_one("#reason", Input)
        if event.input is reason:
            word.focus()
            self._say(f"now type {WORD} and press enter; Esc: back, nothing is sent", "bold")
        elif not reason.value.strip():
            self._say("the reason is empty: nothing was sent", "yellow")
            reason.focus()
        elif word.value.strip() != WORD:
            self._say(f"that is not {WORD}: nothing was sent", "yellow")
        else:
            self._say("sent; waiting until no order rests ...", "bold")
            word.disabled = reason.disabled = True
            self._halt(reason.value)

    @work(exclusive=True)
    async def _halt(self, reason: str) -> None:
        try:
            answer = await self._watcher.halt(reason)
            self._say(f"{answer.text}. Esc: back", "bold green" if answer.code == OK else "bold red")
        except ConfigError as error:
            self._say(f"{error}: nothing was sent. Esc: back", "bold red")

    def _say(self, text: str, style: str) -> None:
        self.query_one("#answer", Static).update(Text(text, style))


class Detail(Screen[None]):
    """One coin."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace,enter", "dismiss", "back"),
    ]

    def __init__(self, watcher: Watcher, coin: str) -> None:
        super().__init__()
        self._watcher, self._coin = watcher, coin

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with VerticalScroll():
            yield Static(id="coin")
        yield Footer()

    async def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        await self.refresh_coin()
        self.set_interval(EVERY_S, self.refresh_coin)

    async def refresh_coin(self) -> None:
        seen, told = self._watcher.seen, await self._watcher.tell(self._coin)
        assert seen is not None
        self.query_one("#head", Static).update(head(seen.facts, seen.silence))
        line = next((coin for coin in seen.facts["coins"] if coin["coin"] == self._coin), None)
        if line is None:
            self.query_one("#coin", Static).update(Text(f"{self._coin} has left the universe", "bold yellow"))
        elif told is not None:
            self.query_one("#coin", Static).update(detail.picture(line, seen.snapshot, told))


class Top(App[None]):
    """The grid."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #head { height: auto; text-wrap: nowrap; text-overflow: ellipsis; }
    Grid { height: 1fr; }
    Halt, Help { align: center middle; }
    #halt, #help { width: 78; max-width: 100%; height: auto; background: $surface; padding: 0 1; }
    #halt { border: heavy $error; }
    #help { border: heavy $primary; }
    #halt Input { height: 3; }
    #halt Label { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort(1)", "sort"),
        Binding("S", "sort(-1)", "sort back", show=False),
        Binding("r", "turn", "reverse"),
        Binding("v", "by_volume", "volume", show=False),
        Binding("h", "halt", "halt"),
        Binding("question_mark", "help", "help"),
        Binding("q", "quit", "quit"),
    ]

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self._watcher = watcher
        self._by, self._backwards = BY_VOLUME, False

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        yield Grid()
        yield Footer()

    @property
    def _grid(self) -> Grid:
        return self.screen_stack[0].query_one(Grid)

    def on_mount(self) -> None:
        self._grid.focus()
        self.set_interval(EVERY_S, self.look_again)

    def on_resize(self) -> None:
        self._arrange()

    async def look_again(self) -> None:
        self._show(await self._watcher.next())

    # ---- the table ----

    def _arrange(self) -> None:
        """Columns for this width and order, and their rows."""
        self._grid.head(columns(self.size.width), {self._by: "▲" if self._backwards else "▼"})
        assert self._watcher.seen is not None
        self._show(self._watcher.seen)

    def _show(self, seen: Seen) -> None:
        self.screen_stack[0].query_one("#head", Static).update(head(seen.facts, seen.silence))
        coins = ordered(seen.facts["coins"], self._by, self._backwards)
        shown = [column for column, _ in self._grid.columns]
        self._grid.show([coin["coin"] for coin in coins], [tuple(of.cell(coin) for of in shown) for coin in coins])

    # ---- keys ----

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is about the table is there while the table is."""
        return len(self.screen_stack) == 1 or action not in ("sort", "turn", "by_volume")

    def action_sort(self, step: int) -> None:
        names = [BY_VOLUME, *(column.name for column, _ in columns(self.size.width))]
        place = names.index(self._by) if self._by in names else 0
        self._by, self._backwards = names[(place + step) % len(names)], False
        self._arrange()

    def action_turn(self) -> None:
        self._backwards = not self._backwards
        self._arrange()

    def action_by_volume(self) -> None:
        self._by, self._backwards = BY_VOLUME, False
        self._arrange()

    def action_halt(self) -> None:
        self.push_screen(Halt(self._watcher))

    def action_help(self) -> None:
        self.push_screen(Help())

    def on_grid_chosen(self, event: Grid.Chosen) -> None:
        self.push_screen(Detail(self._watcher, event.coin))

    def on_grid_head_clicked(self, event: Grid.HeadClicked) -> None:
        self._backwards = not self._backwards if event.column == self._by else False
        self._by = event.column
        self._arrange()
