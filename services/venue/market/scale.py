"""Between a book's integers and the decimals of the wire, for one coin."""

from decimal import Decimal

from services.venue.market.book import MAX_DECIMALS

CACHED_PRICES = 8192


class Scale:
    """Price units of 10^-(6 - szDecimals), lots of 10^-szDecimals. Finer numbers are cut."""

    def __init__(self, sz_decimals: int) -> None:
        self._px_exponent = sz_decimals - MAX_DECIMALS
        self._sz_exponent = -sz_decimals
        self._px: dict[int, Decimal] = {}

    def px(self, units: int) -> Decimal:
        known = self._px.get(units)
        if known is None:
            if len(self._px) >= CACHED_PRICES:
                self._px.clear()
            known = self._px[units] = Decimal(units).scaleb(self._px_exponent)
        return known

    def sz(self, lots: int) -> Decimal:
        return Decimal(lots).scaleb(self._sz_exponent)

    def units(self, px: Decimal) -> int:
        return int(px.scaleb(-self._px_exponent))

    def lots(self, sz: Decimal) -> int:
        return int(sz.scaleb(-self._sz_exponent))
