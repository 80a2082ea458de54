"""Names of the reference's known answers, mapped to the project's own code.

Nothing is computed here: arguments are turned into the types our functions take, and answers back into floats.
"""

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from itertools import accumulate
from typing import Any

import numpy as np

from analysis import intensity, sharpe
from analysis.curves import rules
from services.executor.ledger import Ledger
from services.executor.live import budget
from services.executor.queue_models import ProbQueue, v6_is_filled, v6_probability
from services.guard.checks.cascade import action
from services.guard.checks.daily_loss import daily_stop
from services.guard.checks.drawdown import fall
from services.guard.checks.ofi import OfiWindow, suppressed
from services.guard.config import GuardConfig
from services.guard.estimators import cascade, edges, jumps
from services.monitor.estimators import volatility_regime
from services.monitor.microprice import Rls, capped
from services.quoter import governor
from services.quoter.placement import caps
from services.quoter.strategies import STRATEGIES
from services.quoter.strategies.view import MarketView
from services.screener import bars, pricing
from shared import funding
from shared.messages import AssetConfig, Trade
from shared.sizing import SpreadProfile, derive
from shared.units import MIN_NOTIONAL_USD, Side, behind_touch, exact, round_px, tick_size

Answer = dict[str, Any]


# ---- Sharpe ratio --------------------------------------------------------------------------------------------


def _sharpe(returns: list[float], period_s: float, sr_bench_annual: float) -> Answer:
    found = sharpe.stats(returns, period_s, sr_bench_annual)
    if found is None:
        return dict.fromkeys(sharpe.Sharpe._fields)
    return {**found._asdict(), "ci95_annual": list(found.ci95_annual)}


def _lo_scale(rho: list[float], q: float) -> Answer:
    return {"eta": sharpe.lo_scale(rho, q)}


# ---- venue grid ----------------------------------------------------------------------------------------------


def _hl_round(px: float, sz_decimals: int, side: str) -> Answer:
    rounded = round_px(exact(px), sz_decimals, side)
    return {"tick": float(tick_size(exact(px), sz_decimals)), "price": float(rounded)}


def _place(bid: float, ask: float, best_bid: float, best_ask: float, sz_decimals: int) -> Answer:
    bid_px, ask_px = round_px(exact(bid), sz_decimals, "bid"), round_px(exact(ask), sz_decimals, "ask")
    placed_bid = behind_touch(bid_px, exact(best_ask), sz_decimals, "bid")
    placed_ask = behind_touch(ask_px, exact(best_bid), sz_decimals, "ask")
    moved = [side for side, was, now in (("bid", bid_px, placed_bid), ("ask", ask_px, placed_ask)) if was != now]
    return {"bid": float(placed_bid), "ask": float(placed_ask), "clamped": moved}


# ---- quoter --------------------------------------------------------------------------------------------------


def _governor(**inputs: Any) -> Answer:
    answer = governor.v6(governor.Inputs(**inputs))._asdict()
    return {**answer, "reasons": list(answer["reasons"])}


def _staleness(observation_count: int, age_s: float, stale_after_s: float) -> Answer:
    return {"spread_mult": governor.staleness(observation_count, age_s, stale_after_s)}


def _headroom(headroom: float) -> Answer:
    return {"spread_mult": budget.widening(headroom), "inventory_forcing": budget.only_reducing(headroom)}


def _grid(
    mid: float,
    base_bps: float,
    mult: float,
    inv_usd: float,
    max_inv_usd: float,
    min_order_usd: float,
    skew_gain: float,
) -> Answer:
    config = AssetConfig(coin="X", base_spread_bps=base_bps, max_inv_usd=max_inv_usd, min_order_usd=min_order_usd)
    ladder = STRATEGIES["grid"](MarketView(mid, mid, mid, inv_usd, mult, skew_gain), config)
    return {
        "shift_bps": ladder.shift_bps,
        "depths_bps": [ladder.half_spread_bps * tier for tier in config.tier_multipliers],
        "bids": [level.px for level in ladder.bids],
        "asks": [level.px for level in ladder.asks],
        "sizes_usd": [level.usd for level in ladder.bids],
    }


def _caps(max_pos: float, n_levels: int, price: float, min_notional: float) -> Answer:
    answer = caps(exact(max_pos), n_levels, exact(price), exact(min_notional))._asdict()
    return {name: float(value) if isinstance(value, Decimal) else value for name, value in answer.items()}


def _derive(
    capital: float,
    margin: float,
    leverage: int,
    price: float,
    profile: SpreadProfile,
    fee_bps: float,
    sz_decimals: int,
    min_notional: float,
) -> Answer:
    assert min_notional == MIN_NOTIONAL_USD
    answer = derive(exact(capital), exact(price), exact(margin), leverage, fee_bps, profile, sz_decimals)._asdict()
    names = {
        "max_position_sz": "max_position",
        "target_liquidity_sz": "target_liquidity",
        "order_sz": "order_size",
    }
    return {
        names.get(name, name): float(value) if isinstance(value, Decimal) else value
        for name, value in answer.items()
    }


# ---- executor ------------------------------------------------------------------------------------------------


def _v6_queue(order_size: float, trade_volumes: list[float]) -> Answer:
    volumes = list(accumulate(trade_volumes))
    filled = [index for index, volume in enumerate(volumes) if v6_is_filled(order_size, volume)]
    return {
        "probability": [v6_probability(order_size, volume) for volume in volumes],
        "fill_index": filled[0] if filled else None,
    }


def _prob_queue(
    kind: str, n: float, queue_ahead0: float, level_qty0: float, order_size: float, events: list[Any]
) -> Answer:
    queue = ProbQueue(kind, n, front=queue_ahead0, level=level_qty0)
    front, filled, total = [], [], 0.0
    for what, qty in events:
        if what == "book":
            queue.displayed(qty)
        else:
            reached = queue.trade(qty, qty) if what == "trade" else queue.through()
            total = min(order_size, total + reached)
        front.append(queue.front)
        filled.append(total)
    return {"front": front, "filled": filled}


def _attribution(events: list[list[Any]], final_mid: float) -> Answer:
    ledger = Ledger("X")
    for what, *values in events:
        if what == "fill":
            sz, px, mid, fee = (exact(float(value)) for value in values[1:])
            ledger.fill("bid" if values[0] == "buy" else "ask", px, sz, fee, mid)
        elif what == "mid":
            ledger.mark(exact(float(values[0])))
        else:
            ledger.fund(ledger.funding_hour_ms + 1, exact(float(values[0])))
    ledger.mark(exact(float(final_mid)))
    ledger.check()
    return {
        "total": float(ledger.total_usd),
        "spread_capture": float(ledger.capture_usd),
        "inventory": float(ledger.inventory_usd),
        "fees": float(ledger.fees_usd),
        "funding": float(ledger.funding_usd),
        "position": float(ledger.position_sz),
        "avg_entry": float(ledger.average_entry_px),
        "realized_gross": float(ledger.realized_usd),
        "unrealized": float(ledger.unrealized_usd),
    }


# ---- monitor -------------------------------------------------------------------------------------------------


def _rls(X: list[list[float]], y: list[float], lam: float, p0: float, beta0: list[float]) -> Answer:  # noqa: N803
    regression = Rls((beta0[0], beta0[1]), p0, lam)
    for x, label in zip(X, y, strict=True):
        regression.update((x[0], x[1]), label)
    p00, p01, p11 = regression.covariance
    return {"beta": list(regression.beta), "P": [[p00, p01], [p01, p11]]}


def _microprice(
    mid: float, beta_book: float, book_imb: float, beta_flow: float, flow_imb: float, half_spread_frac: float,
    cap_half_spreads: float,
) -> Answer:  # fmt: skip
    wanted = Rls((beta_book, beta_flow), 1.0, 1.0).predict((book_imb, flow_imb))
    deviation = capped(wanted, half_spread_frac, cap_half_spreads)
    return {"adj_bps_raw": wanted * 1e4, "adj_bps": deviation * 1e4, "microprice": mid * (1 + deviation)}


# ---- guard ---------------------------------------------------------------------------------------------------


def _taker_ofi(trades: list[Any], window: int, threshold: float, min_trades: int) -> Answer:
    rolling = OfiWindow(window, max_age_ms=600_000)
    for tid, (side, sz) in enumerate(trades):
        rolling.add(Trade(px=Decimal(1), sz=exact(sz), side=side, time_ms=0, tid=tid), now_ms=0)
    flow = rolling.flow(now_ms=0)
    no_bids, no_asks = suppressed(flow, threshold, min_trades)
    return {
        "n": flow.trades,
        "ofi": flow.ofi,
        "buy_share": flow.buy_share_frac,
        "suppress_bids": no_bids,
        "suppress_asks": no_asks,
    }


def _daily_stop(starting_balance: float, daily_pnl: float) -> Answer:
    stop = daily_stop(exact(daily_pnl), exact(starting_balance), cap_frac=0.05)
    return {"drawdown_pct": float(stop.drawdown_frac) * 100, "halt": stop.breached}


def _drawdown(
    peak_pnl: float, pnl: float, account_value: float, max_position_value: float, max_drawdown: float
) -> Answer:
    answer = fall(
        exact(peak_pnl), exact(pnl), exact(account_value), exact(max_position_value), exact(max_drawdown)
    )
    return {
        "min_peak": float(answer.min_peak_usd),
        "checked": answer.drawdown_frac is not None,
        "drawdown": None if answer.drawdown_frac is None else float(answer.drawdown_frac),
        "trigger": answer.breached,
    }


def _markout(side: str, fill_px: float, mid_pre: float, mids_after: list[float], fee_bps: float) -> Answer:
    ours: Side = "bid" if side == "buy" else "ask"
    found = [edges.outcome(ours, fill_px, mid_pre, mid, fee_bps) for mid in mids_after]
    return {
        "capture_bps": found[0].capture_bps,
        "markout_bps": [one.markout_bps for one in found],
        "as_bps": [-one.markout_bps for one in found],
        "edge_bps": [one.edge_bps for one in found],
        "adverse": [one.edge_bps < 0 for one in found],
    }


def _ewma_by_side(obs: list[Any], alpha: float, prior_bps: float, prior_n: float) -> Answer:
    means = {side: edges.SideMean(prior_bps, prior_n, alpha) for side in ("buy", "sell")}
    for side, value_bps in obs:
        means[side].add(0, value_bps)
    return {"as_bps": {side: mean.estimate_bps(0) for side, mean in means.items()}}


def _rv_bv(returns: list[float], elapsed_s: float) -> Answer:
    found = jumps.variation(returns)
    return {
        **{name: getattr(found, name) for name in ("rv", "bv", "ratio", "tq", "z", "p_value")},
        "sigma_rv_sqrt_s": jumps.sigma_sqrt_s(found.rv, elapsed_s),
        "sigma_bv_sqrt_s": jumps.sigma_sqrt_s(found.bv, elapsed_s),
    }


def _severity(prev_severity: float, dt_s: float, tau_s: float, **traces: float) -> Answer:
    found = cascade.parts(**traces)
    severity = max(found.instant, cascade.decayed(prev_severity, dt_s, tau_s))
    return {**found._asdict(), "instant": found.instant, "severity": severity}


def _action(severity: float) -> Answer:
    found = action(severity, GuardConfig())
    return {"action": found.action, "gamma_mult": found.spread, "size_mult": found.size, "quote": found.quote}


# ---- screener, funding, monitor ------------------------------------------------------------------------------


def _atr(high: list[float], low: list[float], close: list[float], n: int) -> Answer:
    answer = bars.atr([bars.Bar(*bar) for bar in zip(high, low, close, strict=True)], n)
    return {"tr": answer.tr, "atr": answer.atr, "atr_fraction_last": answer.fraction_last}


def _score(**inputs: Any) -> Answer:
    return pricing.score(**inputs)._asdict()


def _hl_rate(avg_premium: float) -> Answer:
    rate = funding.hl_rate(avg_premium)
    return {"rate_8h": rate.rate_8h_frac, "rate_1h_paid": rate.rate_1h_frac, "annual": rate.annual_frac}


def _payment(position: float, oracle_px: float, rate_1h: float) -> Answer:
    return {"pnl_usd": float(funding.payment(exact(position), exact(oracle_px), exact(rate_1h)))}


def _ar1(f: list[float], horizons: list[int]) -> Answer:
    answer = dataclasses.asdict(funding.ar1(f, horizons))
    return {name: list(value) if isinstance(value, tuple) else value for name, value in answer.items()}


def _regime(ratios: list[float]) -> Answer:
    return {
        "regime": list(accumulate(ratios, lambda regime, ratio: volatility_regime(ratio, regime), initial=0))[1:]
    }


# ---- analysis ------------------------------------------------------------------------------------------------


def _kappa_shifted(distances: list[float], d_min: float, exposure_s: float) -> Answer:
    found = intensity.shifted(np.array(distances), d_min, exposure_s)
    names = {"exact": "ci95_exact", "delta": "ci95_delta", "a_per_s": "A", "se_ln_a": "se_lnA"}
    return {
        names.get(name, name): list(value) if isinstance(value, tuple) else value
        for name, value in found._asdict().items()
    }


def _kappa_interval(distances: list[float], a: float, b: float) -> Answer:
    n, kappa = intensity.interval(np.array(distances), a, b)
    return {"n": n, "kappa": kappa}


def _bin_fit(edges: list[float], counts: list[int], exposure_s: float) -> Answer:
    found = intensity.bin_fit(edges, counts, exposure_s)._asdict()
    return {name.replace("a_", "A_", 1) if name.startswith("a_") else name: value for name, value in found.items()}


def _fill_prob(A: float, kappa: float, depth: float, horizon_s: float) -> Answer:  # noqa: N803
    found = intensity.fill_prob(A, kappa, depth, horizon_s)
    return {"lambda": found.rate_per_s, "p_fill": found.fill_frac, "mean_wait_s": found.mean_wait_s}


def _gate1(avg_spread_bps: float, as_bps: float, fee_bps: float) -> Answer:
    found = rules(avg_spread_bps, as_bps, fee_bps)
    return {
        "seed_pass": found.seed_pass,
        "strict_pass": found.strict_pass,
        "half_spread_edge_bps": found.half_spread_edge_bps,
    }


FUNCTIONS: dict[str, Callable[..., Answer]] = {
    "kappa.mle_shifted": _kappa_shifted,
    "kappa.mle_interval": _kappa_interval,
    "intensity.bin_fit": _bin_fit,
    "intensity.fill_prob": _fill_prob,
    "screener.gate1": _gate1,
    "sharpe.stats": _sharpe,
    "sharpe.lo_scale": _lo_scale,
    "tick.hl_round": _hl_round,
    "tick.place": _place,
    "ladder.v6_grid": _grid,
    "ladder.caps": _caps,
    "auto.derive": _derive,
    "governor.v6": _governor,
    "governor.staleness": _staleness,
    "governor.headroom": _headroom,
    "queue.v6": _v6_queue,
    "queue.prob": _prob_queue,
    "pnl.attribution": _attribution,
    "micro.rls": _rls,
    "micro.price": _microprice,
    "ofi.taker": _taker_ofi,
    "risk.v6_daily_stop": _daily_stop,
    "risk.drawdown": _drawdown,
    "advsel.markout": _markout,
    "advsel.ewma_by_side": _ewma_by_side,
    "vol.rv_bv": _rv_bv,
    "cascade.severity": _severity,
    "cascade.action": _action,
    "vol.atr": _atr,
    "vol.regime": _regime,
    "screener.score": _score,
    "funding.hl_rate": _hl_rate,
    "funding.payment": _payment,
    "funding.ar1": _ar1,
}
