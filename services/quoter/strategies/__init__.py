"""Every quoting strategy by the name that `AssetConfig.strategy` selects.

A strategy is one file with one function `(MarketView, AssetConfig) -> Ladder`; a line here makes it available and
puts it under the property suite.
"""

from collections.abc import Callable

from services.quoter.strategies import grid
from services.quoter.strategies.view import Ladder, MarketView
from shared.messages import AssetConfig

Strategy = Callable[[MarketView, AssetConfig], Ladder]

STRATEGIES: dict[str, Strategy] = {
    "grid": grid.quote,
}
