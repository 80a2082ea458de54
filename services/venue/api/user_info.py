"""Answers about who an address is and what it may: role, agents, fees, request budget, permissions."""

from datetime import timedelta
from typing import Any

from services.venue.api import info
from services.venue.api.shapes import money
from services.venue.api.view import View
from services.venue.exchange import budget, fees
from services.venue.exchange.account import Account, DayVolume
from services.venue.exchange.listing import MICRO, usd
from shared.clock import utc_day
from shared.fees import FEE_TIERS, MAKER_REBATES, REFERRAL_DISCOUNT, STAKING_DISCOUNTS, tier_of
from shared.units import wire

DAYS_SHOWN = 15
TO_MAKE_A_CODE_USD = 10_000
"""Volume that an account needs before it may refer others."""
NO_STAKE = {"delegated": "0.0", "undelegated": "0.0", "totalPendingWithdrawal": "0.0", "nPendingWithdrawals": 0}
LEGAL = {"ipAllowed": True, "acceptedTerms": True, "userAllowed": True}


def role(view: View, request: info.UserRole) -> Any:
    accounts = view.world.accounts
    master = accounts.agent(request.user, view.now_ms)
    if master is not None:
        return {"role": "agent", "data": {"user": master.address}}
    account = accounts.get(request.user)
    if account is None:
        return {"role": "missing"}
    if account.role == "subAccount" and account.master is not None:
        return {"role": "subAccount", "data": {"master": account.master.address}}
    return {"role": account.role}


def extra_agents(view: View, request: info.ExtraAgents) -> Any:
    """Named ones only."""
    account = view.account(request.user)
    return [
        {"name": agent.name, "address": agent.address, "validUntil": agent.valid_until_ms}
        for agent in account.agents.values()
        if agent.name and agent.valid_until_ms > view.now_ms
    ]


def rate_limit(view: View, request: info.UserRateLimit) -> Any:
    account = view.account(request.user)
    return {
        "cumVlm": money(account.cum_ntl),
        "nRequestsUsed": budget.used(account),
        "nRequestsCap": budget.cap(account),
        "nRequestsSurplus": max(account.requests_bought - account.requests_used, 0),
    }


def referral(view: View, request: info.Referral) -> Any:
    account = view.account(request.user)
    volume = account.cum_ntl
    referred_by = {"referrer": None, "code": account.referrer} if account.referrer else None
    if volume >= TO_MAKE_A_CODE_USD * MICRO:
        state: dict[str, Any] = {"stage": "needToCreateCode"}
    else:
        missing = TO_MAKE_A_CODE_USD * MICRO - volume
        state = {"stage": "needToTrade", "data": {"required": money(missing)}}
    return {
        "referredBy": referred_by,
        "cumVlm": money(volume),
        "unclaimedRewards": "0.0",
        "claimedRewards": "0.0",
        "builderRewards": "0.0",
        "referrerState": state,
        "rewardHistory": [],
    }


def max_builder_fee(view: View, request: info.MaxBuilderFee) -> Any:
    """Tenths of a basis point; 0 without approval."""
    account = view.account(request.user)
    return account.builders.get(request.builder.lower(), 0)


def approved_builders(view: View, request: info.ApprovedBuilders) -> Any:
    account = view.account(request.user)
    return [builder for builder, highest in account.builders.items() if highest]


def abstraction(view: View, request: info.UserAbstraction) -> Any:
    return view.account(request.user).abstraction


def pre_transfer_check(view: View, request: info.PreTransferCheck) -> Any:
    return {
        "fee": "0.0",
        "isSanctioned": False,
        "userExists": view.world.accounts.get(request.user) is not None,
        "userHasSentTx": view.account(request.user).requests_used > 0,
    }


# ---- fees ----------------------------------------------------------------------------------------------------


def user_fees(view: View, request: info.UserFees) -> Any:
    """The schedule, and what the address pays today."""
    account = view.account(request.user)
    rates = fees.rates(account, None, view.now_ms)
    tier = FEE_TIERS[tier_of(usd(fees.volume_14d(account, view.now_ms)))]
    return {
        "dailyUserVlm": _daily_volumes(view, account),
        "feeSchedule": _schedule(),
        "userCrossRate": wire(rates.taker),
        "userAddRate": wire(rates.maker),
        "userSpotCrossRate": wire(tier.spot_taker),
        "userSpotAddRate": wire(tier.spot_maker),
        "activeReferralDiscount": wire(fees.referral_discount(account)),
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


def _daily_volumes(view: View, account: Account) -> list[dict[str, str]]:
    """Today and the 14 days that decide the tier, oldest first. The exchange's own volume is that of the last 24
    hours on every day: that of others is not kept."""
    today = utc_day(view.now_ms)
    days = [(today - timedelta(days=back)).isoformat() for back in reversed(range(DAYS_SHOWN))]
    exchange = sum(int(coin.ctx.dayNtlVlm) for coin in view.state.coins.values() if coin.ctx)
    return [
        {
            "date": day,
            "userCross": money(account.days.get(day, DayVolume()).taker_ntl),
            "userAdd": money(account.days.get(day, DayVolume()).maker_ntl),
            "exchange": money(exchange * MICRO),
        }
        for day in days
    ]


def _schedule() -> dict[str, Any]:
    base, *higher = FEE_TIERS
    return {
        "cross": wire(base.taker),
        "add": wire(base.maker),
        "spotCross": wire(base.spot_taker),
        "spotAdd": wire(base.spot_maker),
        "tiers": {
            "vip": [
                {
                    "ntlCutoff": money(tier.over_usd * MICRO),
                    "cross": wire(tier.taker),
                    "add": wire(tier.maker),
                    "spotCross": wire(tier.spot_taker),
                    "spotAdd": wire(tier.spot_maker),
                }
                for tier in higher
            ],
            "mm": [{"makerFractionCutoff": wire(share), "add": wire(rate)} for share, rate in MAKER_REBATES],
        },
        "referralDiscount": wire(REFERRAL_DISCOUNT),
        "stakingDiscountTiers": [
            {"bpsOfMaxSupply": wire(bps), "discount": wire(discount)} for bps, discount in STAKING_DISCOUNTS
        ],
    }
