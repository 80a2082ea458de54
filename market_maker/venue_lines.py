"""Answers of the venue's operator's door as lines for people."""

import json
from typing import Any


def faults(answer: Any) -> list[str]:
    running = [
        f"#{on['number']} {_fault(on['fault'])}: on for {on['for_s']:.1f} s, effects {on['effects']}"
        + (f", {on['left_s']:.1f} s left" if on["left_s"] is not None else "")
        for on in answer["running"]
    ]
    pending = [f"in {step['in_s']:.1f} s {_fault(step['fault'])}" for step in answer["pending"]]
    return running + pending or ["no fault is on"]


def limits(answer: Any) -> list[str]:
    off = [name for name, on in answer["on"].items() if not on]
    lines = [f"switched off: {', '.join(off)}" if off else "all limits are on"]
    for ip, counters in answer["ips"].items():
        used = ", ".join(f"{name} {count[0]}/{count[1]}" for name, count in counters.items() if name != "followed")
        lines.append(f"{ip}: {used}")
    for connection in answer["connections"]:
        lines.append(f"connection {connection['number']}: {' '.join(connection['users']) or 'follows no account'}")
    for address, budget in answer["addresses"].items():
        slot = f", next in {budget['next_slot_ms'] / 1000:.1f} s" if budget["next_slot_ms"] else ""
        lines.append(f"{address}: requests {budget['used']}/{budget['cap']}, bought {budget['bought']}{slot}")
    return lines


def account(answer: Any) -> list[str]:
    lines = [
        f"{answer['address']} {answer['role']}: traded {answer['volume']}, open orders {answer['open_orders']}"
    ]
    if float(answer["spot"]):
        lines.append(f"  spot {answer['spot']}")
    for name, dex in answer["dexs"].items():
        lines.append(f"  {name or 'perps'}: value {dex['value']}, withdrawable {dex['withdrawable']}")
        lines += [
            f"    {at['coin']} {at['szi']} from {at['entry_px']}, unrealised {at['unrealized_pnl']}"
            for at in dex["positions"]
        ]
    lines += [
        f"  order {order['oid']}: {order['coin']} {order['side']} {order['sz']} at {order['px']} {order['tif']}"
        + (f", {order['queue_ahead']} ahead" if order["queue_ahead"] is not None else "")
        for order in answer.get("orders", ())
    ]
    if "reply" in answer:
        lines.append(f"  withdrawal: {json.dumps(answer['reply']['response'])}")
    return lines


def coins(answer: Any) -> list[str]:
    return [
        f"{each['coin']:<12} mark {each['mark_px']:<12} oracle {each['oracle_px']:<12} {each['max_leverage']}x"
        + (f"  open interest at most {each['oi_cap']}" if each["oi_cap"] is not None else "")
        + ("  HALTED" if each["halted"] else "")
        for each in answer["coins"]
    ]


def _fault(fault: Any) -> str:
    fields = " ".join(f"{name}={value}" for name, value in fault.items() if name != "fault")
    return f"{fault['fault']} {fields}".rstrip()
