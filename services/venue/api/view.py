"""What answers and snapshots are made from, at one moment."""

from dataclasses import dataclass

from services.venue.api.portfolio import Portfolios
from services.venue.api.state import MarketState
from services.venue.exchange.account import Account
from services.venue.exchange.admission import meet
from services.venue.exchange.world import World


@dataclass(frozen=True, slots=True)
class View:
    """The venue as somebody who asks at `now_ms` sees it."""

    state: MarketState
    world: World
    portfolios: Portfolios
    now_ms: int

    def account(self, user: str) -> Account:
        """The account of an address; an empty one for whoever has none, such as a key that signs for another."""
        return self.world.accounts.get(user) or Account(user.lower(), 0)

    def met(self, user: str) -> Account:
        """The same for questions about money and orders: an address first seen may be funded by them."""
        return meet(self.world, user) or Account(user.lower(), 0)
