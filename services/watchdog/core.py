"""The watchdog's decisions: when nobody steers, no order of ours stays at the venue.

It believes the executor alive while the bus brings its live status and its cancels get through, and looks at the
venue itself to see what rests. Redis away is silence like any other: from here the two cannot be told apart. One
request at a time is under way, always the most urgent; every one is repeated until the venue has shown that
nothing of ours rests.

Orders are ours by their client id. Those of others are told of and left alone.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from services.watchdog.config import WatchdogConfig
from services.watchdog.lines import alarm, foreign, line, told
from services.watchdog.switch import Switch
from services.watchdog.wiring import (
    AssetsLoaded,
    Cancelled,
    CancelOrders,
    CheckKey,
    Effect,
    GiveUp,
    KeyChecked,
    LoadAssets,
    Look,
    Looked,
    Scheduled,
    Unanswered,
)
from shared.hyperliquid import replies
from shared.hyperliquid.account import OpenOrder
from shared.hyperliquid.actions import CancelByCloid, CancelByCloidWire
from shared.hyperliquid.cloids import is_own, own_prefix
from shared.messages import AccountStatus, Command, Event, Message, WatchdogStatus
from shared.service import BusLost, Started, Stopping, Tick

RETRY_MS, LONGEST_RETRY_MS = 1_000, 8_000
"""Twice as long each time: a look weighs 20 of the 300 a minute that the watchdog may use. Without any left it
would still be blind when the venue answers again."""
CANCEL_AGAIN_MS = 1_000
SILENT_LOOK_MS = 5_000
SILENT_LOOKS_MS = {15_000: SILENT_LOOK_MS, 60_000: 10_000}
"""Up to how long a silence we look how often: an order of the executor's may still arrive, though it gives each
five seconds to reach a block unless told otherwise (`action_lifetime_ms`). Then we look as seldom as ever."""
LAST_LOOK_SILENCE_MS = 1_500
"""When we stop, who has missed one of its words, one a second, counts as dead: nobody looks after us."""
KEY_CHECK_MS = 90_000
"""The question weighs 60."""
BLIND_MS = 60_000
"""Without a look for so long it does not count as able to cancel; its own looks come each 15 s."""
WORD_MS = 1_000
ASSETS_AGAIN_MS = 5_000
CANCELS_A_REQUEST = 100
"""The venue takes 200; what is lost with one answer is half of that."""

Output = Message | Effect


class Watchdog:
    """See the module's text. The attributes are read by the metrics."""

    def __init__(self, config: WatchdogConfig, address: str) -> None:
        self._config, self._address = config, address
        self._prefix = own_prefix(address)
        self._switch = Switch(config.watchdog_switch_s)
        self.silent = False
        self.alarm_since_ms: int | None = None
        """Since when orders of ours rest without the executor."""
        self.own: tuple[OpenOrder, ...] = ()
        self.foreign: tuple[OpenOrder, ...] = ()
        self.looked_ms: int | None = None
        self.started_ms = 0
        self.key_holds: bool | None = None
        self.able_ms: int | None = None
        """When it could cancel last; None: not proven yet."""
        self.alarms = self.cancelled = 0
        self._heard_ms = self._since_ms = self._leaving_since_ms = 0
        self._unanswered = 0
        """Questions in a row."""
        self._bus_lost = self._blind = self._stopping = self._busy = False
        self._cancel_wanted = False
        self._failure = self._key_fault = ""
        self._assets: dict[str, int] = {}
        self._next_look_ms = self._next_cancel_ms = self._next_assets_ms = self._next_key_ms = 0
        self._next_word_ms = 0
        self._inputs: dict[type, Callable[[int, Any], Iterable[Output]]] = {
            Started: self._on_started,
            Tick: self._on_time,
            BusLost: self._on_time,
            Stopping: self._on_stopping,
            AccountStatus: self._on_status,
            KeyChecked: self._on_key,
            AssetsLoaded: self._on_assets,
            Looked: self._on_orders,
            Cancelled: self._on_cancelled,
            Scheduled: self._on_scheduled,
            Unanswered: self._on_unanswered,
        }

    def step(self, now_ms: int, msg: Any) -> Iterable[Output]:
        handler = self._inputs.get(type(msg))
        if handler is None:
            return
        yield from handler(now_ms, msg)
        effect = None if self._busy else self._next(now_ms)
        if effect is not None:
            self._busy = True
            yield effect

    @property
    def armed_until_ms(self) -> int:
        return self._switch.armed_until_ms

    # ---- is the executor alive? ------------------------------------------------------------------------------

    def _on_started(self, now_ms: int, msg: Started) -> Iterable[Output]:
        """Silence counts from here: what was said before could not be heard."""
        self.started_ms = self._heard_ms = now_ms
        return ()

    def _on_status(self, now_ms: int, msg: AccountStatus) -> Iterable[Output]:
        """An executor in shadow mode knows nothing of what rests at the venue; one whose cancels do not get
        through, as with a key that was revoked, can do nothing about it."""
        if msg.mode == "live":
            self._leaving_since_ms = msg.live.leaving_since_ms if msg.live is not None else 0
            waited_ms = msg.time_ms - self._leaving_since_ms if self._leaving_since_ms else 0
            if waited_ms <= self._config.watchdog_silence_s * 1000:
                self._heard_ms = max(self._heard_ms, min(msg.time_ms, now_ms))
        return self._judge(now_ms)

    def _on_time(self, now_ms: int, msg: Tick | BusLost) -> Iterable[Output]:
        self._bus_lost = isinstance(msg, BusLost)
        yield from self._judge(now_ms)
        if not self._bus_lost and now_ms >= self._next_word_ms:
            self._next_word_ms = now_ms + WORD_MS
            yield from self._word(now_ms)

    def _judge(self, now_ms: int) -> Iterable[Output]:
        self._heard_ms = min(self._heard_ms, now_ms)  # the clock was set back
        allowed_ms = LAST_LOOK_SILENCE_MS if self._stopping else self._config.watchdog_silence_s * 1000
        silent = now_ms - self._heard_ms > allowed_ms
        if silent == self.silent:
            return
        self.silent, self._since_ms = silent, now_ms
        self._next_look_ms = now_ms if silent else (self.looked_ms or now_ms) + self._look_pause_ms(now_ms)
        self._switch.wake()
        self._blind, self._unanswered = False, 0  # said of a calm time; now it is an alarm
        if silent:
            yield line(f"{self._why(now_ms)}: looking at the venue.", "warning")
        else:
            self.alarm_since_ms, self._cancel_wanted = None, False
            yield line("The executor is back.")

    def _why(self, now_ms: int) -> str:
        if self._leaving_since_ms:
            return f"The executor has not got an order away for {(now_ms - self._leaving_since_ms) / 1000:.0f} s"
        lost = " and Redis does not answer" if self._bus_lost else ""
        return f"No live executor for {(now_ms - self._heard_ms) / 1000:.0f} s{lost}"

    # ---- could we cancel? ------------------------------------------------------------------------------------

    def _word(self, now_ms: int) -> Iterable[Message]:
        """For the guard, which lets nobody quote beside a watchdog that cannot cancel."""
        fault = self._fault(now_ms)
        if not fault:
            self.able_ms = now_ms
        if self.able_ms is not None:
            yield WatchdogStatus(time_ms=now_ms, able_ms=self.able_ms, fault=fault)

    def _fault(self, now_ms: int) -> str:
        if not self.key_holds:
            return self._key_fault or "its key has not been checked"
        if self.looked_ms is None or now_ms - self.looked_ms > BLIND_MS:
            return "the venue does not show it the account"
        return ""

    # ---- what rests? -----------------------------------------------------------------------------------------

    def _on_orders(self, now_ms: int, msg: Looked) -> Iterable[Output]:
        self._busy, self._unanswered = False, 0
        known = {order.oid for order in self.foreign}
        self.own = tuple(order for order in msg.orders if is_own(order.cloid, self._prefix))
        self.foreign = tuple(order for order in msg.orders if not is_own(order.cloid, self._prefix))
        self.looked_ms, self._next_look_ms = now_ms, now_ms + self._look_pause_ms(now_ms)
        if {order.oid for order in self.foreign} != known:
            yield foreign(self.foreign)
        if self._blind:
            self._blind = False
            yield line("The account is seen again.")
        self._cancel_wanted = self.silent and bool(self.own)
        if self._cancel_wanted and self.alarm_since_ms is None:
            yield from self._raise_alarm(now_ms)
        elif not self.own:
            yield from self._end_alarm(now_ms)

    def _end_alarm(self, now_ms: int) -> Iterable[Event]:
        if self.alarm_since_ms is not None:
            seconds, self.alarm_since_ms = (now_ms - self.alarm_since_ms) / 1000, None
            yield line(f"All cancelled: no order of ours rests {seconds:.1f} s later.", "warning")

    def _look_pause_ms(self, now_ms: int) -> int:
        """While cancels fail it is known what rests; the weight is for them."""
        if self.silent and not self._failure:
            for silence_ms, pause_ms in SILENT_LOOKS_MS.items():
                if now_ms - self._heard_ms < silence_ms:
                    return pause_ms
        return int(self._config.watchdog_look_s * 1000)

    def _raise_alarm(self, now_ms: int) -> Iterable[Message]:
        self.alarm_since_ms = now_ms
        self.alarms += 1
        reason = self._why(now_ms)
        yield Command(id=f"watchdog-{now_ms}", action="cancel_all", who="watchdog", reason=reason, time_ms=now_ms)
        yield alarm(f"{reason}, and {len(self.own)} orders rest: cancelling them at the venue.")

    def _on_unanswered(self, now_ms: int, msg: Unanswered) -> Iterable[Event]:
        self._busy = False
        pause_ms = min(RETRY_MS << self._unanswered, LONGEST_RETRY_MS)
        self._unanswered += pause_ms < LONGEST_RETRY_MS
        if isinstance(msg.question, Look):
            self._next_look_ms = now_ms + pause_ms
        elif isinstance(msg.question, LoadAssets):
            self._next_assets_ms = now_ms + pause_ms
        else:
            self._next_key_ms = now_ms + KEY_CHECK_MS
        if not self._blind:
            self._blind = True
            text = f"The account cannot be seen: {msg.reason}"
            yield alarm(f"{self._why(now_ms)}. {text}") if self.silent else line(text, "warning")

    # ---- cancelling ------------------------------------------------------------------------------------------

    def _cancels(self, orders: Sequence[OpenOrder]) -> CancelOrders:
        wires = [CancelByCloidWire(self._assets[order.coin], str(order.cloid)) for order in orders]
        parts = range(0, len(wires), CANCELS_A_REQUEST)
        return CancelOrders(tuple(CancelByCloid(tuple(wires[at : at + CANCELS_A_REQUEST])) for at in parts))

    def _on_cancelled(self, now_ms: int, msg: Cancelled) -> Iterable[Event]:
        """What failed is sent again, as a second cancel does no harm; what was answered otherwise is looked at."""
        self._busy = False
        statuses = [status for o in msg.outcomes if isinstance(o, replies.Answered) for status in o.statuses]
        done = sum(isinstance(status, replies.Cancelled) for status in statuses)
        failed = [told(outcome) for outcome in msg.outcomes if not isinstance(outcome, replies.Answered)]
        self.cancelled += done
        if failed:
            self._next_cancel_ms = now_ms + CANCEL_AGAIN_MS
        else:
            self._cancel_wanted = False
            self._next_look_ms = now_ms + RETRY_MS
        if failed and failed[0] != self._failure:
            yield alarm(f"Cancelling failed: {failed[0]}. Trying again until nothing rests.")
        self._failure = failed[0] if failed else ""
        if done == len(self.own):
            self.own, self._next_look_ms = (), now_ms + SILENT_LOOK_MS
            yield from self._end_alarm(now_ms)

    # ---- the rest --------------------------------------------------------------------------------------------

    def _on_key(self, now_ms: int, msg: KeyChecked) -> Iterable[Output]:
        """A key that is no agent of the account can cancel nothing. It ends the service at its start; a permission
        that ends later is told of, once, and each second to the guard: the executor still cancels for itself."""
        self._busy, self._next_key_ms = False, now_ms + KEY_CHECK_MS
        role = msg.role
        holds = role.role == "agent" and (role.data.user or "").lower() == self._address
        before, self.key_holds = self.key_holds, holds
        whose = "another account" if role.role == "agent" else "no account"
        self._key_fault = "" if holds else f"its key is an agent of {whose}"
        if holds or before is False:
            return
        text = f"the watchdog's key is an agent of {whose} and cannot cancel"
        if before is None:
            yield GiveUp(f"{text}: HL_ADDRESS has to approve it as an agent")
        else:
            yield alarm(f"{text} any more: give it a new key, approved by HL_ADDRESS (docs/live.md)")

    def _on_assets(self, now_ms: int, msg: AssetsLoaded) -> Iterable[Output]:
        self._busy, self._assets = False, msg.ids
        self._next_assets_ms = now_ms + ASSETS_AGAIN_MS
        return ()

    def _on_scheduled(self, now_ms: int, msg: Scheduled) -> Iterable[Output]:
        self._busy = False
        return self._switch.on_answer(now_ms, msg)

    def _on_stopping(self, now_ms: int, msg: Stopping) -> Iterable[Output]:
        """One more look; what was under way has been given up."""
        self._stopping, self._busy = True, False
        self._since_ms = self._next_look_ms = now_ms
        self._switch.wake()
        return self._judge(now_ms)

    # ---- what next? ------------------------------------------------------------------------------------------

    def _next(self, now_ms: int) -> Effect | None:
        """The most urgent request that is due."""
        cancel = self._due_cancel(now_ms) if self._cancel_wanted and now_ms >= self._next_cancel_ms else None
        if cancel is not None:
            return cancel
        if now_ms >= self._next_look_ms:
            return Look()
        if not self._stopping:
            if not self._blind and not self._assets and now_ms >= self._next_assets_ms:
                return LoadAssets()
            if not self._blind and now_ms >= self._next_key_ms and (not self.silent or self.key_holds is None):
                return CheckKey()
            if not self.silent and self._heard_ms > self.started_ms:
                return self._switch.renewal(now_ms)
        seen = self.looked_ms is not None and self.looked_ms >= self._since_ms
        return self._switch.clearance(now_ms) if seen and not self.own else None

    def _due_cancel(self, now_ms: int) -> Effect | None:
        """A coin that was listed after we asked for numbers waits for its own, and for no other's cancel."""
        known = [order for order in self.own if order.coin in self._assets]
        if known:
            return self._cancels(known)
        return LoadAssets() if now_ms >= self._next_assets_ms else None
