"""The operator's door, `/admin/*`, open to this machine only: faults, limits, accounts, coins, the truth log.

Answers are JSON; what cannot be done is 400, 403 or 404 with `{"error": text}`.
"""

from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import msgspec
from aiohttp import web

from services.venue.api import admin_accounts as accounts
from services.venue.api.control import CannotDo, VenueControl, body_of, names
from services.venue.api.frames import ENCODER
from services.venue.exchange import budget
from services.venue.exchange.account import Account
from services.venue.exchange.world import Refused, World
from services.venue.faults.scenario import BadFault, BadStep, fault_of, steps_of
from shared.clock import monotonic_s

ENTRIES, MOST_ENTRIES = 100, 10_000
ADDRESS_BUDGET = "address"
"""The switch of the limit that is no address of the internet's."""

Handler = Callable[[VenueControl, web.Request], Awaitable[Any]]


def admin_routes(control: VenueControl) -> list[web.RouteDef]:
    """To be added to the venue's application."""
    routes: list[tuple[str, str, Handler]] = [
        ("GET", "block", show_block),
        ("GET", "faults", list_faults),
        ("POST", "faults", start_fault),
        ("DELETE", "faults", end_faults),
        ("DELETE", "faults/{number}", end_fault),
        ("POST", "scenario", play_scenario),
        ("GET", "limits", show_limits),
        ("PATCH", "limits", switch_limits),
        ("GET", "accounts", accounts.list_accounts),
        ("GET", "accounts/{address}", accounts.show_account),
        ("POST", "accounts/{address}", accounts.change_account),
        ("POST", "agents", accounts.approve_agent),
        ("POST", "orders", accounts.place_order),
        ("POST", "cancels", accounts.cancel_orders),
        ("GET", "coins", accounts.list_coins),
        ("PATCH", "coins/{coin}", accounts.change_coin),
        ("GET", "truth", show_truth),
    ]
    return [
        web.RouteDef(method, f"/admin/{path}", _door(control, handler), {}) for method, path, handler in routes
    ]


def _door(control: VenueControl, handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        status = 200
        try:
            _only_from_here(request)
            answered = await handler(control, request)
        except CannotDo as error:
            status, answered = error.status, {"error": str(error)}
        except (Refused, BadFault, BadStep) as error:
            status, answered = 400, {"error": str(error)}
        return web.Response(status=status, body=ENCODER.encode(answered), content_type="application/json")

    return answer


def _only_from_here(request: web.Request) -> None:
    """Browsers name an origin when a page of theirs asks: pages have no business here."""
    try:
        here = ip_address(request.remote or "")
    except ValueError:
        here = None
    if here is None or not (getattr(here, "ipv4_mapped", None) or here).is_loopback or "Origin" in request.headers:
        raise CannotDo("/admin answers to programs on the venue's own machine only", 403)


# ---- the venue as a whole ------------------------------------------------------------------------------------


async def show_block(control: VenueControl, request: web.Request) -> Any:
    skew_ms = control.faults.skew_ms(control.fault_ms())
    return {
        **control.block(),
        "skew_ms": skew_ms,
        "truth_lines": control.truth.seq,
        "truth_lost": control.truth.lost,
    }


async def show_truth(control: VenueControl, request: web.Request) -> Any:
    """`?after=SEQ&limit=N`; a negative SEQ counts from the end."""
    after, limit = _number(request, "after", -ENTRIES), _number(request, "limit", ENTRIES)
    if not 1 <= limit <= MOST_ENTRIES:
        raise CannotDo(f"limit is {limit}; it must be 1 to {MOST_ENTRIES}")
    entries = control.truth.after(after, limit)
    return {"last": control.truth.seq, "facts": [msgspec.Raw(entry.line().rstrip()) for entry in entries]}


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    try:
        return int(text)
    except ValueError as error:
        raise CannotDo(f"{name} is {text!r}; it must be a whole number") from error


# ---- faults --------------------------------------------------------------------------------------------------


async def list_faults(control: VenueControl, request: web.Request) -> Any:
    now_ms, faults = control.fault_ms(), control.faults
    return {
        "running": [
            {
                "number": on.number,
                "fault": on.fault,
                "for_s": (now_ms - on.since_ms) / 1000,
                "left_s": None if on.until_ms is None else max(on.until_ms - now_ms, 0) / 1000,
                "effects": on.effects,
            }
            for on in faults.running()
        ],
        "pending": [{"in_s": (due_ms - now_ms) / 1000, "fault": fault} for due_ms, fault in faults.pending()],
    }


async def start_fault(control: VenueControl, request: web.Request) -> Any:
    fault = fault_of(await body_of(request, dict[str, Any]), names(control.world))
    return {"number": control.faults.start(control.fault_ms(), fault), "fault": fault}


async def end_faults(control: VenueControl, request: web.Request) -> Any:
    return {"ended": control.faults.end_all(control.fault_ms())}


async def end_fault(control: VenueControl, request: web.Request) -> Any:
    number = request.match_info["number"]
    if not number.isdecimal() or not control.faults.end(control.fault_ms(), int(number)):
        raise CannotDo(f"no fault {number} is on", 404)
    return {"ended": 1}


async def play_scenario(control: VenueControl, request: web.Request) -> Any:
    steps = steps_of(await body_of(request, dict[str, Any]), names(control.world))
    control.faults.play(control.fault_ms(), steps)
    return {"steps": len(steps), "last_s": steps[-1].s if steps else 0.0}


# ---- limits --------------------------------------------------------------------------------------------------


async def show_limits(control: VenueControl, request: web.Request) -> Any:
    world = control.world
    return {
        "on": _switched(control),
        "ips": control.limits.counters(monotonic_s()),
        "connections": [
            {"number": connection.number, "users": sorted(connection.users)}
            for connection in sorted(control.connections(), key=lambda connection: connection.number)
        ],
        "addresses": {account.address: _budget(world, account) for account in world.accounts},
    }


async def switch_limits(control: VenueControl, request: web.Request) -> Any:
    """`{"weight": false, …}`"""
    wanted = await body_of(request, dict[str, bool])
    known = _switched(control)
    for name in wanted:
        if name not in known:
            raise CannotDo(f"no limit {name!r}; there are {', '.join(known)}")
    for name, on in wanted.items():
        if name == ADDRESS_BUDGET:
            control.world.switches.address_budget = on
        else:
            control.limits.switches[name].on = on
    return {"on": _switched(control)}


def _switched(control: VenueControl) -> dict[str, bool]:
    on = {name: switch.on for name, switch in control.limits.switches.items()}
    return on | {ADDRESS_BUDGET: control.world.switches.address_budget}


def _budget(world: World, account: Account) -> dict[str, int]:
    """`next_slot_ms`: how long until a request beyond the budget is let through."""
    beyond = budget.used(account) + 1 >= budget.cap(account)
    wait_ms = (account.over_budget_ms or 0) + budget.BEYOND_EVERY_MS - world.now_ms if beyond else 0
    return {
        "used": budget.used(account),
        "cap": budget.cap(account),
        "cancel_cap": budget.cancel_cap(account),
        "bought": account.requests_bought,
        "next_slot_ms": max(wait_ms, 0),
    }
