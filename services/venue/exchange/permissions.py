"""Who may do what for an account: agents, builders, sub-accounts."""

import re
from decimal import Decimal
from typing import Any

from eth_hash.auto import keccak

from services.venue.exchange.account import Account, Agent
from services.venue.exchange.listing import micro
from services.venue.exchange.replies import DONE, dollars
from services.venue.exchange.world import Refused, World
from shared.hyperliquid import actions

DAY_MS = 86_400_000
AGENT_DAYS = 90
AGENT_DAYS_MOST = 180
NAMED_AGENTS = 3
NAMED_AGENTS_A_SUB = 2
VALID_UNTIL = re.compile(r"^(?P<name>.*?) ?valid_until (?P<ms>[0-9]{1,18})\Z", re.DOTALL)


def approve_agent(world: World, account: Account, action: actions.ApproveAgent) -> dict[str, Any]:
    """Let a key sign. It must be new: neither an account nor ever an agent."""
    address = action.agent_address.lower()
    name, until_ms = _validity(action.agent_name or "", world.now_ms)
    if until_ms <= world.now_ms:
        raise Refused("Agent valid_until already expired.")
    if world.accounts.was_agent(address) or world.accounts.get(address) is not None:
        raise Refused("Extra agent already used.")
    for old in [agent.name for agent in account.agents.values() if agent.valid_until_ms <= world.now_ms]:
        world.accounts.remove_agent(account, old)
    limit = NAMED_AGENTS + NAMED_AGENTS_A_SUB * len(account.sub_accounts)
    if name and name not in account.agents and sum(1 for known in account.agents if known) >= limit:
        raise Refused(f"Too many extra agents for cumulative volume traded. Current limit is {limit}")
    world.accounts.approve(account, Agent(name, address, until_ms))
    return DONE


def _validity(name: str, now_ms: int) -> tuple[str, int]:
    """The name without its ` valid_until <ms>`, and when the approval ends."""
    told = VALID_UNTIL.match(name)
    if told is None:
        return name, now_ms + AGENT_DAYS * DAY_MS
    return told["name"], min(int(told["ms"]), now_ms + AGENT_DAYS_MOST * DAY_MS)


def approve_builder_fee(world: World, account: Account, action: actions.ApproveBuilderFee) -> dict[str, Any]:
    """The highest fee a builder may take, `0.01%` is ten tenths of a basis point; zero takes the approval back."""
    account.builders[action.builder.lower()] = int(Decimal(action.max_fee_rate.removesuffix("%")) * 1_000)
    return DONE


def create_sub_account(world: World, account: Account, action: actions.CreateSubAccount) -> dict[str, Any]:
    """A new account of the master, with an address that nobody has a key of; the reply names it."""
    required = micro(world.config.sub_account_volume)
    if account.cum_ntl < required:
        raise Refused(
            f"Cannot create sub-accounts until enough volume traded. Required: ${required // 1_000_000}. "
            f"Traded: {dollars(account.cum_ntl)}."
        )
    number = len(account.sub_accounts)
    address = "0x" + keccak(f"{account.address} {number}".encode())[-20:].hex()
    sub = world.accounts.open(address, world.now_ms, "subAccount", account)
    sub.sub_name = action.name
    account.sub_accounts.append(sub)
    return {"status": "ok", "response": {"type": "createSubAccount", "data": sub.address}}
