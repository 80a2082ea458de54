"""The proof that a position is the sum of its fills, kept apart from the ledger that it checks."""

from decimal import Decimal

from services.executor.ledger import Ledger
from shared.messages import ZERO, Fill, Opening


class FillChain:
    """Follows the fills of one coin, restored or new, and compares the ledger with them."""

    def __init__(self) -> None:
        self.seq = 0
        self.position_sz = ZERO
        self.fault = ""

    def open(self, opening: Opening) -> None:
        if not self.seq:
            self.position_sz = opening.position_sz

    def add(self, fill: Fill) -> None:
        """Append the next fill; one that was there before changes nothing.

        The oldest fills may have left the stream: the chain then begins at the position before the first one.
        """
        if fill.seq <= self.seq:
            return
        signed_sz = fill.sz if fill.side == "bid" else -fill.sz
        before_sz = fill.position_sz - signed_sz
        begins_later = self.seq == 0 and fill.seq > 1
        if not begins_later and fill.seq != self.seq + 1:
            self._object(f"fills {self.seq + 1} to {fill.seq - 1} are missing")
        elif not begins_later and before_sz != self.position_sz:
            self._object(f"fill {fill.seq} starts from {before_sz}, not from {self.position_sz}")
        self.seq, self.position_sz = fill.seq, fill.position_sz

    def _object(self, fault: str) -> None:
        self.fault = self.fault or fault

    def difference(self, ledger: Ledger) -> str:
        """What does not agree; empty when the position is the sum of the fills."""
        if self.fault:
            return self.fault
        if ledger.seq != self.seq:
            return f"ledger holds {ledger.seq} fills, the stream {self.seq}"
        return _unequal("position", ledger.position_sz, self.position_sz)


def _unequal(name: str, ours: Decimal, theirs: Decimal) -> str:
    return "" if ours == theirs else f"{name} {ours} in the ledger, {theirs} by the fills"
