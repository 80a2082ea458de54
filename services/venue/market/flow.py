"""The modelled flow of one coin: who sends which order when.

A hidden fair value moves by diffusion with slowly varying volatility and by the impact of taker orders. Four
kinds of events keep the book around it (times by thinning, Ogata 1981):

    requote   makers look again: quotes that the fair value has passed are withdrawn (or, with `PICK_OFF`, taken
              first), the touch is quoted anew, the levels behind it filled
    add       a limit order somewhere in the first levels, unless enough stands there
    cancel    one order of those levels leaves
    taker     self-exciting arrivals (Hawkes 1971, exponential kernel), persistent side, lognormal size

So trades move the price and standing quotes are picked off, which is what a market maker must survive.

Accounts' orders stand in the same queues. The flow never cancels them and counts its own levels only, so that its
depth does not depend on them; its takers meet them like any other order. A requote first takes what accounts left
standing at or beyond its own new quote: that is how their stale quotes are picked off, for certain and in full.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from math import exp, sqrt
from random import Random

from services.venue.market.book import FIRST_ACCOUNT, Fill, Ladder, Level, Order, OrderBook, Sign, Taker, grid_step
from services.venue.market.calibration import CoinModel

REQUOTE_SHARE = 0.6
"""Of the measured touch changes: caused by requotes; adds and cancels give the rest."""
CHURN_SHARE = 1.4
AT_TOUCH = 0.35
PICK_OFF = 0.1
PICKED_OFF_SHARE = 0.12
"""Of the measured taker orders: those that come as pick-offs, not as arrivals of their own."""
MEDIAN_OF_EXPONENTIAL = 0.693
ORDERS_A_LEVEL = 3
LEVELS_KEPT = 26
LEVELS_FILLED = 22
LEVELS_MOST = 44
LARGEST_SWEEP = 0.25
"""A taker order takes at most this share of the other side."""
IMPACT_CARRIED = 0.9
"""Share of the measured move after a taker order that the order itself causes; the rest is its followers'."""
VOL_SPREAD = 0.5
VOL_MEMORY_S = 300.0
LEAST_DIFFUSION = 0.2
"""Share of the variance that is not impact, at least."""
LOWEST_FAIR = 100.0
"""In price units; accounts that sell for ever cannot push it further down."""
FLOW_OWNERS = 24


class CoinFlow:
    """One coin's book and everything that happens to it. Time is in seconds since the start."""

    def __init__(self, model: CoinModel, seed: int, next_oid: Callable[[], int]) -> None:
        self.model = model
        self.book = OrderBook()
        self.prints: list[Fill] = []
        """Trades, accounts' included, that nobody has been told of yet."""
        self._random = Random(f"{seed}/{model.coin.name}")
        self._next_oid = next_oid
        self.sz_decimals = model.coin.sz_decimals
        self._unit = 10.0 ** (self.sz_decimals - 6)
        self.fair = model.coin.mid_px / self._unit
        lots_per_usd = 10**self.sz_decimals / model.coin.mid_px
        self._touch_lots = max(model.touch_usd / MEDIAN_OF_EXPONENTIAL * lots_per_usd, 1.0)
        self._level_lots = max(model.level_usd * lots_per_usd, 1.0)
        self._taker_lots = model.taker_usd_median * lots_per_usd
        self._gap = max(model.level_gap_ticks, 1.0)
        self._half_spread_ticks = max(model.spread_ticks - 1, 0.0) / 2
        self._impact_ticks = model.impact_ticks * IMPACT_CARRIED
        total = (model.vol_frac * self.fair / grid_step(int(self.fair), self.sz_decimals)) ** 2
        by_impact = model.takers_per_s * 1.25 * self._impact_ticks**2
        self._impact_ticks *= min(1.0, sqrt((1 - LEAST_DIFFUSION) * total / by_impact)) if by_impact else 0.0
        impact_share = min(by_impact / total, 1 - LEAST_DIFFUSION)
        self._vol_frac = model.vol_frac * sqrt(1 - impact_share)
        self._log_vol = self._random.gauss(0.0, VOL_SPREAD)
        self._requotes = model.touch_changes_per_s * REQUOTE_SHARE
        self._churn = model.touch_changes_per_s * CHURN_SHARE
        takers = model.takers_per_s * (1 - PICKED_OFF_SHARE)
        self._base_takers = takers * (1 - model.hawkes_branching)
        self._excited = takers * model.hawkes_branching
        self._excited_at_s = self._diffused_at_s = 0.0
        self._sign: Sign = 1 if self._random.random() < 0.5 else -1
        self._bound = 1.0
        self._seed_book()
        self.next_s = 0.0
        self._schedule(0.0)

    # ---- events ----------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Let the event at `next_s` happen and choose the time of the next."""
        now_s = self.next_s
        self._excited *= exp(-self.model.hawkes_decay_per_s * (now_s - self._excited_at_s))
        self._excited_at_s = now_s
        pick = self._random.random() * self._bound
        if pick < self._requotes:
            self._requote(now_s)
        elif (pick := pick - self._requotes) < self._churn:
            self._add()
        elif (pick := pick - self._churn) < self._churn:
            self._cancel()
        elif pick - self._churn < self._base_takers + self._excited:
            self._taker()
        self._schedule(now_s)

    def _schedule(self, now_s: float) -> None:
        """The intensity only falls until the next event, so its present value bounds it."""
        self._bound = self._requotes + 2 * self._churn + self._base_takers + self._excited
        self.next_s = now_s + self._random.expovariate(self._bound)

    def _taker(self) -> None:
        self._excited += self.model.hawkes_branching * self.model.hawkes_decay_per_s
        if self._random.random() >= self.model.sign_persistence:
            self._sign = -1 if self._sign == 1 else 1
        ratio = exp(self._random.gauss(0.0, self.model.taker_usd_log_sd))
        self._market_order(self._sign, max(int(self._taker_lots * ratio), 1))
        self._impact(self._sign, ratio)

    def took(self, sign: Sign, fills: Sequence[Fill]) -> None:
        """An account's taker order has traded; it moves the fair value as one of the flow does."""
        self.prints += fills
        self._impact(sign, sum(fill.lots for fill in fills) / self._taker_lots)

    def pushed(self, log_move: float, takers: int) -> None:
        """News: the fair value moves, and takers who have heard of it come."""
        self.fair = max(self.fair * exp(log_move), LOWEST_FAIR)
        for _ in range(takers):
            ratio = exp(self._random.gauss(0.0, self.model.taker_usd_log_sd))
            self._market_order(1 if log_move > 0 else -1, max(int(self._taker_lots * ratio), 1))

    def _impact(self, sign: Sign, ratio: float) -> None:
        """Of a taker order, by its size over the median."""
        step = grid_step(int(self.fair), self.sz_decimals)
        self.fair += sign * self._impact_ticks * step * (1.5 if ratio > 1 else 0.5)
        self.fair = max(self.fair, LOWEST_FAIR)

    def _market_order(self, sign: Sign, lots: int, limit_px: int | None = None) -> None:
        other = self.book.asks if sign == 1 else self.book.bids
        standing = sum(level.lots for level in other.levels.values())
        self._take(sign, min(lots, int(standing * LARGEST_SWEEP)), limit_px)

    def _take(self, sign: Sign, lots: int, limit_px: int | None) -> None:
        taker = Taker(self._next_oid(), self._random.randrange(FLOW_OWNERS))
        self.prints += self.book.take(sign, lots, limit_px, taker)

    def _requote(self, now_s: float) -> None:
        self._diffuse(now_s)
        step = grid_step(int(self.fair), self.sz_decimals)
        half = self._half_spread_ticks * step
        bid_px = _on_grid(self.fair - half, self.sz_decimals, up=False)
        ask_px = _on_grid(self.fair + half, self.sz_decimals, up=True)
        if ask_px <= bid_px:
            ask_px = bid_px + step
        self._withdraw(1, bid_px)
        self._withdraw(-1, ask_px)
        self._take_through(-1, bid_px)
        self._take_through(1, ask_px)
        self._quote(1, bid_px)
        self._quote(-1, ask_px)

    def _diffuse(self, now_s: float) -> None:
        gap_s = now_s - self._diffused_at_s
        self._diffused_at_s = now_s
        gauss = self._random.gauss
        self._log_vol += -gap_s / VOL_MEMORY_S * self._log_vol + gauss(
            0.0, VOL_SPREAD * sqrt(2 * gap_s / VOL_MEMORY_S)
        )
        vol = self._vol_frac * exp(self._log_vol - VOL_SPREAD**2 / 2)
        self.fair *= exp(gauss(0.0, vol * sqrt(gap_s)))

    def _withdraw(self, sign: Sign, target_px: int) -> None:
        """Quotes better than the target lie on the wrong side of the fair value."""
        ladder = self.book.side(sign)
        if not ladder.flow_levels or sign * _flow_px(ladder, 0) <= sign * target_px:
            return
        if self._random.random() < PICK_OFF:
            taker: Sign = -1 if sign == 1 else 1
            step = grid_step(target_px, self.sz_decimals)
            self._market_order(taker, max(int(self._taker_lots), 1), target_px + sign * step)
        for px, level in list(ladder.top(len(ladder))):
            if sign * px <= sign * target_px:
                break
            for order in [order for order in level.orders if order.owner < FIRST_ACCOUNT]:
                self.book.cancel(order)

    def _take_through(self, sign: Sign, px: int) -> None:
        """Take the orders of accounts that stand on side `sign` where the other side is about to quote `px`."""
        ladder = self.book.side(sign)
        best = ladder.best_px()
        if best is None or sign * best < sign * px:
            return
        lots = sum(level.lots for level_px, level in ladder.top(len(ladder)) if sign * level_px >= sign * px)
        self._take(-1 if sign == 1 else 1, lots, px)

    def _quote(self, sign: Sign, target_px: int) -> None:
        """A new touch, the levels passed on the way to it, and enough levels at the far end."""
        ladder = self.book.side(sign)
        best = _flow_px(ladder, 0) if ladder.flow_levels else None
        if best is None or sign * best < sign * target_px:
            self._place(sign, target_px, self._touch_lots)
            px = self._behind(sign, target_px)
            while ladder.flow_levels < LEVELS_FILLED or (best is not None and sign * px > sign * best):
                level = ladder.levels.get(px)
                if level is None or not level.flow:
                    self._place(sign, px, self._level_lots)
                last, px = px, self._behind(sign, px)
                if px == last:
                    break
        while ladder.flow_levels < LEVELS_KEPT:
            last = _flow_px(ladder, ladder.flow_levels - 1)
            px = self._behind(sign, last)
            if px == last:
                break
            self._place(sign, px, self._level_lots)
        while ladder.flow_levels > LEVELS_MOST:
            far = ladder.levels[_flow_px(ladder, ladder.flow_levels - 1)]
            for order in [order for order in far.orders if order.owner < FIRST_ACCOUNT]:
                self.book.cancel(order)

    def _add(self) -> None:
        sign: Sign = 1 if self._random.random() < 0.5 else -1
        ladder = self.book.side(sign)
        if not ladder.flow_levels:
            return
        depth = self._depth(ladder)
        px = _flow_px(ladder, depth)
        wanted = self._touch_lots if depth == 0 else self._level_lots
        if _flow_lots(ladder.levels[px]) < 2 * wanted:
            self._place(sign, px, wanted / ORDERS_A_LEVEL)

    def _cancel(self) -> None:
        ladder = self.book.side(1 if self._random.random() < 0.5 else -1)
        if not ladder.flow_levels:
            return
        level = ladder.levels[_flow_px(ladder, self._depth(ladder))]
        if level.flow > 1:
            own = [order for order in level.orders if order.owner < FIRST_ACCOUNT]
            self.book.cancel(own[self._random.randrange(len(own))])

    # ---- draws -----------------------------------------------------------------------------------------------

    def _depth(self, ladder: Ladder) -> int:
        """The touch, or some level behind it; both of the flow."""
        at_touch = self._random.random() < AT_TOUCH
        return 0 if at_touch else min(self._random.randrange(1, LEVELS_FILLED), ladder.flow_levels - 1)

    def _place(self, sign: Sign, px: int, mean_lots: float) -> None:
        lots = max(int(self._random.expovariate(1.0) * mean_lots), 1)
        self.book.rest(Order(self._next_oid(), self._random.randrange(FLOW_OWNERS), sign, px, lots))

    def _behind(self, sign: Sign, px: int) -> int:
        """A price some ticks behind `px`, on average the measured gap."""
        ticks = (
            1 if self._gap == 1 else 1 + int(self._random.expovariate(1 / self._gap) * (1 - 1 / self._gap) + 0.5)
        )
        away = px - sign * ticks * grid_step(px, self.sz_decimals)
        return _on_grid(float(away), self.sz_decimals, up=sign == -1)

    def _seed_book(self) -> None:
        self._requote(0.0)
        for ladder in (self.book.bids, self.book.asks):
            for px, level in list(ladder.top(LEVELS_FILLED)):
                while len(level.orders) < ORDERS_A_LEVEL:
                    self._place(ladder.sign, px, self._level_lots / ORDERS_A_LEVEL)


def _flow_px(ladder: Ladder, depth: int) -> int:
    """Price of the level `depth` places behind the best, among those in which the flow has orders."""
    if ladder.flow_levels == len(ladder.keys):
        return ladder.px_at(depth)
    own = (px for px, level in ladder.top(len(ladder)) if level.flow)
    return next(islice(own, depth, None))


def _flow_lots(level: Level) -> int:
    """Without those of accounts."""
    if level.flow == len(level.orders):
        return level.lots
    return sum(order.lots for order in level.orders if order.owner < FIRST_ACCOUNT)


def _on_grid(px: float, sz_decimals: int, *, up: bool) -> int:
    """The grid price at or beyond `px`; never below the smallest price."""
    step = grid_step(int(px), sz_decimals)
    snapped = int(-(-px // step) if up else px // step) * step
    return max(snapped, step)
