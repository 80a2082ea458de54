"""Session and day of the whole account; what each coin brought to the session is its ledger's to say."""

from decimal import Decimal

import msgspec

from services.executor.exits import Exits
from shared.messages import (
    ZERO,
    AccountState,
    AccountStatus,
    Baseline,
    CoinStatus,
    Command,
    LiveStatus,
    Mode,
    Totals,
)

DAY_MS = 86_400_000


class Account:
    """A session belongs to one run; a restart inside the run continues it. The day's loss budget does not care
    about runs: it begins at UTC midnight or at the operator's `resume`, and counts from `life_usd`, the net
    result of all ledgers over their whole life.
    """

    def __init__(self, mode: Mode, run_id: str, starting_balance_usd: Decimal) -> None:
        self._mode = mode
        self._run_id = run_id
        self._balance_usd = starting_balance_usd
        self.state: AccountState | None = None

    def begin(self, now_ms: int, life_usd: Decimal) -> None:
        """Continue the restored session, or open a new one on the same positions."""
        old = self.state
        if old is None or old.run_id != self._run_id:
            self.state = AccountState(
                session_start_ms=now_ms,
                day_start_ms=old.day_start_ms if old else now_ms - now_ms % DAY_MS,
                day_start_pnl_usd=old.day_start_pnl_usd if old else life_usd,
                peak_pnl_usd=ZERO,
                run_id=self._run_id,
                mode=self._mode,
                baseline=old.baseline if old else None,
                reduce_only=old.reduce_only if old else {},
                flattening=old.flattening if old else {},
                halted=old is not None and old.halted,
            )
        self._roll_day(now_ms, life_usd)

    def update(self, now_ms: int, session: Totals, life_usd: Decimal) -> None:
        """Roll the day, raise the peaks."""
        self._roll_day(now_ms, life_usd)
        state = self.current
        self.state = msgspec.structs.replace(
            state,
            peak_pnl_usd=max(state.peak_pnl_usd, session.pnl_usd),
            drawdown_peak_usd=max(state.drawdown_peak_usd, session.pnl_usd - state.drawdown_base_usd),
        )

    def _roll_day(self, now_ms: int, life_usd: Decimal) -> None:
        midnight_ms = now_ms - now_ms % DAY_MS
        if midnight_ms > self.current.day_start_ms:
            self.state = msgspec.structs.replace(
                self.current, day_start_ms=midnight_ms, day_start_pnl_usd=life_usd
            )

    def count(self, coins: tuple[str, ...]) -> None:
        """These have fills: a restart must find them again."""
        self.state = msgspec.structs.replace(self.current, coins=coins)

    def state_baseline(self, baseline: Baseline) -> None:
        self.state = msgspec.structs.replace(self.current, baseline=baseline)

    @property
    def exits(self) -> Exits:
        return Exits(self.current.reduce_only, self.current.flattening)

    def order(self, command: Command) -> None:
        """The operator's word on positions; it outlives the process."""
        exits = self.exits.after(command)
        self.state = msgspec.structs.replace(
            self.current, reduce_only=dict(exits.reduce_only), flattening=dict(exits.flattening)
        )

    def note_halt(self) -> None:
        self.state = msgspec.structs.replace(self.current, halted=True)

    def resume(self) -> bool:
        """Whether a halt has been ended."""
        halted = self.current.halted
        self.state = msgspec.structs.replace(self.current, halted=False)
        return halted

    def rebase(self, at_ms: int, session_usd: Decimal, life_usd: Decimal) -> None:
        """The operator allows a new loss budget and a new drawdown from `at_ms` on; an older permission changes
        nothing."""
        if at_ms > self.current.day_start_ms:
            self.state = msgspec.structs.replace(
                self.current,
                day_start_ms=at_ms,
                day_start_pnl_usd=life_usd,
                drawdown_base_usd=session_usd,
                drawdown_peak_usd=ZERO,
            )

    def admit(self, old_usd: Decimal) -> None:
        """A coin joined with results of earlier days: they do not belong to this day."""
        state = self.current
        self.state = msgspec.structs.replace(state, day_start_pnl_usd=state.day_start_pnl_usd + old_usd)

    @property
    def current(self) -> AccountState:
        assert self.state is not None, "the session has not begun"
        return self.state

    def status(
        self,
        now_ms: int,
        session: Totals,
        life_usd: Decimal,
        held_usd: Decimal | None,
        coins: tuple[CoinStatus, ...],
        flattening: tuple[str, ...],
        live: LiveStatus | None,
    ) -> AccountStatus:
        """`held_usd` is the equity of the account at the venue (live), None until it is known."""
        state = self.current
        return AccountStatus(
            time_ms=now_ms,
            mode=self._mode,
            session_start_ms=state.session_start_ms,
            day_start_ms=state.day_start_ms,
            starting_balance_usd=self._balance_usd,
            pnl_usd=session.pnl_usd,
            day_pnl_usd=life_usd - state.day_start_pnl_usd,
            peak_pnl_usd=state.peak_pnl_usd,
            fees_usd=session.fees_usd,
            funding_usd=session.funding_usd,
            volume_usd=session.volume_usd,
            fills=session.fills,
            coins=coins,
            equity_usd=held_usd if self._mode == "live" else self._balance_usd + life_usd,
            drawdown_base_usd=state.drawdown_base_usd,
            drawdown_peak_usd=state.drawdown_peak_usd,
            reduce_only=state.reduce_only,
            flattening=flattening,
            live=live,
        )
