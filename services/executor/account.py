"""Session and day of the whole account: totals of the ledgers against where session and day began."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec

from services.executor.ledger import Ledger
from shared.messages import ZERO, AccountState, AccountStatus, CoinStatus

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all coins since their state began."""

    pnl_usd: Decimal
    fees_usd: Decimal
    funding_usd: Decimal
    volume_usd: Decimal
    fills: int

    @classmethod
    def of(cls, ledgers: Iterable[Ledger]) -> "Totals":
        pnl_usd = fees_usd = funding_usd = volume_usd = ZERO
        fills = 0
        for ledger in ledgers:
            pnl_usd += ledger.total_usd
            fees_usd += ledger.fees_usd
            funding_usd += ledger.funding_usd
            volume_usd += ledger.volume_usd
            fills += ledger.seq
        return cls(pnl_usd, fees_usd, funding_usd, volume_usd, fills)

    def __sub__(self, other: "Totals") -> "Totals":
        return Totals(
            self.pnl_usd - other.pnl_usd,
            self.fees_usd - other.fees_usd,
            self.funding_usd - other.funding_usd,
            self.volume_usd - other.volume_usd,
            self.fills - other.fills,
        )


class Account:
    """A session belongs to one run; a restart inside the run continues it. The day's loss budget does not care
    about runs: it begins at UTC midnight or at the operator's `resume`.
    """

    def __init__(self, run_id: str, starting_balance_usd: Decimal) -> None:
        self._run_id = run_id
        self._balance_usd = starting_balance_usd
        self.state: AccountState | None = None

    def begin(self, now_ms: int, totals: Totals) -> AccountState:
        """Continue the restored session, or open a new one on the same positions."""
        old = self.state
        if old is None or old.run_id != self._run_id:
            self.state = AccountState(
                session_start_ms=now_ms,
                day_start_ms=old.day_start_ms if old else now_ms - now_ms % DAY_MS,
                day_start_pnl_usd=old.day_start_pnl_usd if old else totals.pnl_usd,
                peak_pnl_usd=ZERO,
                run_id=self._run_id,
                base_pnl_usd=totals.pnl_usd,
                base_fees_usd=totals.fees_usd,
                base_funding_usd=totals.funding_usd,
                base_volume_usd=totals.volume_usd,
                base_fills=totals.fills,
            )
        return self.update(now_ms, totals)

    def update(self, now_ms: int, totals: Totals) -> AccountState:
        """Roll the day, raise the peak."""
        state = self.current
        peak_usd = totals.pnl_usd - state.base_pnl_usd
        if peak_usd > state.peak_pnl_usd:
            state = msgspec.structs.replace(state, peak_pnl_usd=peak_usd)
        midnight_ms = now_ms - now_ms % DAY_MS
        if midnight_ms > state.day_start_ms:
            state = msgspec.structs.replace(state, day_start_ms=midnight_ms, day_start_pnl_usd=totals.pnl_usd)
        self.state = state
        return state

    def resume(self, at_ms: int, totals: Totals) -> AccountState:
        """The operator allows a new loss budget from `at_ms` on; an older permission changes nothing."""
        if at_ms > self.current.day_start_ms:
            self.state = msgspec.structs.replace(
                self.current, day_start_ms=at_ms, day_start_pnl_usd=totals.pnl_usd
            )
        return self.current

    def admit(self, old: Totals) -> None:
        """A coin joined with results of earlier days: they belong neither to this session nor to this day."""
        state = self.current
        self.state = msgspec.structs.replace(
            state,
            day_start_pnl_usd=state.day_start_pnl_usd + old.pnl_usd,
            base_pnl_usd=state.base_pnl_usd + old.pnl_usd,
            base_fees_usd=state.base_fees_usd + old.fees_usd,
            base_funding_usd=state.base_funding_usd + old.funding_usd,
            base_volume_usd=state.base_volume_usd + old.volume_usd,
            base_fills=state.base_fills + old.fills,
        )

    @property
    def current(self) -> AccountState:
        assert self.state is not None, "the session has not begun"
        return self.state

    def session(self, totals: Totals) -> Totals:
        """Totals since the session began."""
        state = self.current
        return totals - Totals(
            state.base_pnl_usd,
            state.base_fees_usd,
            state.base_funding_usd,
            state.base_volume_usd,
            state.base_fills,
        )

    def status(
        self, now_ms: int, totals: Totals, mode: Literal["shadow", "live"], coins: tuple[CoinStatus, ...]
    ) -> AccountStatus:
        state, session = self.current, self.session(totals)
        return AccountStatus(
            time_ms=now_ms,
            mode=mode,
            session_start_ms=state.session_start_ms,
            day_start_ms=state.day_start_ms,
            starting_balance_usd=self._balance_usd,
            pnl_usd=session.pnl_usd,
            day_pnl_usd=totals.pnl_usd - state.day_start_pnl_usd,
            peak_pnl_usd=state.peak_pnl_usd,
            fees_usd=session.fees_usd,
            funding_usd=session.funding_usd,
            volume_usd=session.volume_usd,
            fills=session.fills,
            coins=coins,
        )
