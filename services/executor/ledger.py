"""The exact ledger of one coin: position, cost, realised, fees, funding, and where the result came from.

    total = realised + unrealised - fees + funding = spread capture + inventory - fees + funding
    spread capture = sum s (mid - px) sz over fills      inventory = sum position * change of mid

Positions close at average cost. A fill through zero closes what was open at average cost and opens the rest at
its own price. All money is Decimal; the cost taken out by a partial close is rounded to 1e-12 USD and the same
number is booked on both sides, so totals stay exact. In live the venue says what a partial close has realised.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from shared.errors import InvariantError
from shared.messages import ZERO, CoinSession, Fill, Funding, Mode, Opening, PositionState, Totals
from shared.units import Side

_COST_STEP_USD = Decimal("1e-12")
_IDENTITY_USD = Decimal("1e-6")


@dataclass(slots=True)
class Ledger:
    """Totals over the whole life of a coin's state; `capture_usd` and `inventory_usd` since `restored`."""

    coin: str
    seq: int = 0
    """Number of the last fill booked; fills count from 1 without a gap."""
    position_sz: Decimal = ZERO
    cost_usd: Decimal = ZERO
    """Signed: what the open position cost."""
    realized_usd: Decimal = ZERO
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO
    volume_usd: Decimal = ZERO
    funding_hour_ms: int = 0
    mark_px: Decimal = ZERO
    capture_usd: Decimal = ZERO
    inventory_usd: Decimal = ZERO
    base_usd: Decimal = ZERO
    """Gross result at the restart, which is not attributed again."""
    time_ms: int = 0
    session: CoinSession = CoinSession()

    @classmethod
    def restored(cls, state: PositionState) -> "Ledger":
        ledger = cls(
            coin=state.coin,
            seq=state.seq,
            position_sz=state.position_sz,
            cost_usd=state.cost_usd,
            realized_usd=state.realized_usd,
            fees_usd=state.fees_usd,
            funding_usd=state.funding_usd,
            volume_usd=state.volume_usd,
            funding_hour_ms=state.funding_hour_ms,
            mark_px=state.mark_px,
            time_ms=state.time_ms,
            session=state.session,
        )
        ledger.base_usd = ledger.gross_usd
        return ledger

    @property
    def average_entry_px(self) -> Decimal:
        """0 when flat."""
        return self.cost_usd / self.position_sz if self.position_sz else ZERO

    @property
    def unrealized_usd(self) -> Decimal:
        return self.position_sz * self.mark_px - self.cost_usd

    @property
    def gross_usd(self) -> Decimal:
        return self.realized_usd + self.unrealized_usd

    @property
    def cash_usd(self) -> Decimal:
        """What the coin has brought to the account's cash: everything but the worth of the open position."""
        return self.realized_usd - self.cost_usd - self.fees_usd + self.funding_usd

    @property
    def total_usd(self) -> Decimal:
        """Net result over the life of the ledger."""
        return self.totals.pnl_usd

    @property
    def totals(self) -> Totals:
        """Over the life of the ledger."""
        return Totals(
            realized_usd=self.realized_usd,
            unrealized_usd=self.unrealized_usd,
            fees_usd=self.fees_usd,
            funding_usd=self.funding_usd,
            volume_usd=self.volume_usd,
            fills=self.seq,
        )

    @property
    def session_totals(self) -> Totals:
        """Since the session began."""
        return self.totals - self.session.base

    def join(self, session_start_ms: int) -> None:
        """Take part in a session: continue if we were already in it, else count from here."""
        if self.session.start_ms != session_start_ms:
            self.session = CoinSession(start_ms=session_start_ms, base=self.totals)

    def note_peak(self) -> None:
        pnl_usd = self.session_totals.pnl_usd
        if pnl_usd > self.session.peak_pnl_usd:
            self.session = msgspec.structs.replace(self.session, peak_pnl_usd=pnl_usd)

    def mark(self, mid_px: Decimal) -> None:
        """Value the position at a new mid."""
        if mid_px != self.mark_px:
            if self.position_sz:
                self.inventory_usd += self.position_sz * (mid_px - self.mark_px)
            self.mark_px = mid_px

    def open(self, opening: Opening) -> None:
        """Begin with a position that was there before."""
        self.position_sz, self.cost_usd, self.mark_px = opening.position_sz, opening.cost_usd, opening.mark_px
        self.base_usd = self.gross_usd
        self.time_ms = opening.time_ms

    def fill(
        self,
        side: Side,
        px: Decimal,
        sz: Decimal,
        fee_usd: Decimal,
        mid_px: Decimal,
        closed_usd: Decimal | None = None,
    ) -> Decimal:
        """Book a fill with the mid right before it; returns what it realised, gross of fees.

        `closed_usd` is the venue's word on that. It decides how much cost a partial close takes out; a whole close
        realises exactly what is left.
        """
        self.mark(mid_px)
        signed_sz = sz if side == "bid" else -sz
        realized_usd = self._close(signed_sz, px, closed_usd)
        self.capture_usd += (mid_px - px) * signed_sz
        self.realized_usd += realized_usd
        self.fees_usd += fee_usd
        self.volume_usd += px * sz
        self.seq += 1
        self.check()
        return realized_usd

    def _close(self, signed_sz: Decimal, px: Decimal, closed_usd: Decimal | None) -> Decimal:
        held_sz = self.position_sz
        self.position_sz += signed_sz
        if held_sz * signed_sz >= 0:
            self.cost_usd += signed_sz * px
            return ZERO
        if abs(signed_sz) < abs(held_sz):
            if closed_usd is None:
                released_usd = (self.cost_usd * -signed_sz / held_sz).quantize(_COST_STEP_USD, ROUND_HALF_EVEN)
            else:
                released_usd = -signed_sz * px - closed_usd
            self.cost_usd -= released_usd
            return -signed_sz * px - released_usd
        realized_usd = held_sz * px - self.cost_usd
        self.cost_usd = self.position_sz * px
        return realized_usd

    def fund(self, hour_ms: int, usd: Decimal) -> None:
        """Book the funding of one hour."""
        self.funding_usd += usd
        self.funding_hour_ms = hour_ms

    def replay(self, message: Fill | Funding | Opening) -> None:
        """Book what the stream holds beyond this state; what is already contained changes nothing."""
        if isinstance(message, Funding):
            if message.hour_ms > self.funding_hour_ms:
                self.fund(message.hour_ms, message.usd)
        elif isinstance(message, Opening):
            if not self.seq and not self.position_sz:
                self.open(message)
        elif message.seq > self.seq:
            self.fill(message.side, message.px, message.sz, message.fee_usd, message.mid_px, message.realized_usd)
            self.time_ms = max(self.time_ms, message.time_ms)

    def check(self) -> None:
        """Both ways to the total agree.

        Raises:
            InvariantError: they differ by more than a micro-dollar.
        """
        attributed_usd = self.base_usd + self.capture_usd + self.inventory_usd
        if abs(attributed_usd - self.gross_usd) > _IDENTITY_USD:
            raise InvariantError(
                f"{self.coin}: realised and unrealised give {self.gross_usd} USD, capture and inventory"
                f" {attributed_usd}"
            )

    def state(self, now_ms: int, mode: Mode = "shadow") -> PositionState:
        return PositionState(
            coin=self.coin,
            seq=self.seq,
            position_sz=self.position_sz,
            cost_usd=self.cost_usd,
            realized_usd=self.realized_usd,
            fees_usd=self.fees_usd,
            funding_usd=self.funding_usd,
            volume_usd=self.volume_usd,
            fills=self.seq,
            funding_hour_ms=self.funding_hour_ms,
            mark_px=self.mark_px,
            time_ms=now_ms,
            session=self.session,
            mode=mode,
        )
