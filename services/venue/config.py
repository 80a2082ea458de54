"""Settings of the bundled venue."""

import re
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from shared.config import EngineConfig


class VenueConfig(EngineConfig):
    """Table `[venue]`."""

    section: ClassVar[str] = "venue"

    venue_host: str = Field("127.0.0.1", description="Address the bundled venue listens on.")
    venue_port: int = Field(3001, ge=0, le=65535, description="Its port; 0: any free one.")
    source: str = Field("modelled", description="`modelled`, or the folder of a recording.")
    seed: int = Field(1, ge=0, description="Seed of the modelled market: same seed, same market.")
    speed: str = Field("1", description="Times real time: a number, or `max` for as fast as clients read.")
    loop: bool = Field(False, description="Start a recording again when it ends.")
    fill_universe: bool = Field(False, description="Offer the modelled coins that a recording lacks.")
    block_ms: int = Field(70, ge=10, le=1000, description="Block time: the grid of requests and model.")
    fast_ms: int = Field(500, ge=10, description="Interval of 5-level books.")
    slow_ms: int = Field(5000, ge=10, description="Interval of 20-level books.")
    mids_ms: int = Field(5000, ge=10, description="Interval of allMids.")
    limits: bool = Field(True, description="Hold clients to the venue's rate limits, per IP and per address.")
    unknown_coin: Literal["error", "drop"] = Field(
        "error", description="Subscription to an unknown coin: an error frame, or the socket dropped."
    )

    builder_dex: bool = Field(True, description="List a builder-deployed dex (HIP-3), `xyz`, beside the first.")

    # ---- accounts ----
    fund: Decimal = Field(
        Decimal(10_000), ge=0, description="USDC that an address gets when it is first seen; 0: it does not exist."
    )
    open_on: Literal["sight", "read"] = Field(
        "sight", description="What opens an account: any first request, or only questions about its address."
    )
    chain: Literal["Testnet", "Mainnet"] = Field("Testnet", description="Which signatures are valid.")
    truth_log: Path | None = Field(None, description="File for every order, match, fee and balance as JSON lines.")
    fault_script: Path | None = Field(None, description="Scenario file: faults by time, see the venue's README.")

    # ---- time ----
    order_delay_ms: int = Field(100, ge=0, le=60_000, description="From the arrival of a request to its block.")
    taker_delay_ms: int = Field(360, ge=0, le=60_000, description="How much later still an IOC or GTC gets there.")
    answer_delay_ms: int = Field(0, ge=0, le=60_000, description="From the block to the answer.")

    # ---- rules that are not sourced, see the venue's README ----
    oracle_band: Decimal = Field(
        Decimal("0.2"), gt=0, description="An aggressive price further than this from the oracle is refused."
    )
    partly_filled_gtc: Literal["resting", "filled"] = Field(
        "resting", description="Answer to a GTC order that traded in part and rests."
    )
    partly_filled_ioc: Literal["filled", "canceled"] = Field(
        "filled", description="Final status of an IOC order that traded in part."
    )
    refused_burns_nonce: bool = Field(True, description="A refused action uses its nonce up.")
    duplicate_cloid: Literal["accept", "refuse"] = Field(
        "accept", description="A second live order with the same client id."
    )
    action_weight_limit: int = Field(200, ge=1, description="Most orders or cancels in one action.")
    too_many_orders: Literal["status", "error"] = Field(
        "status", description="Open-order limit: told per order or for the whole request."
    )
    order_snapshot: bool = Field(False, description="`orderUpdates` sends the open orders on subscribe.")
    fills_snapshot: int = Field(2000, ge=0, le=2000, description="Most fills in the `userFills` snapshot.")
    cum_funding_positive: Literal["paid", "received"] = Field(
        "paid", description="What a positive `cumFunding` means."
    )
    open_orders_base: int = Field(
        1000, ge=1, description="Open orders an account may have before its volume counts."
    )
    default_leverage: int = Field(
        20, ge=1, description="Leverage of a coin before it is set, at most the coin's highest."
    )
    order_margin: Literal["both_sides", "larger_side"] = Field(
        "both_sides",
        description="Resting bids and asks of a coin reserve margin together, or the larger side does.",
    )
    scheduled_cancel_volume: Decimal = Field(
        Decimal(1_000_000), ge=0, description="USDC an account must have traded for scheduleCancel."
    )
    sub_account_volume: Decimal = Field(
        Decimal(100_000), ge=0, description="USDC an account must have traded to create sub-accounts."
    )
    withdrawal_fee: Decimal = Field(Decimal(1), ge=0, description="USDC kept of every withdrawal from the venue.")
    oi_caps: dict[str, Decimal] = Field({}, description="Open-interest cap in USDC by coin; others have none.")
    partial_liquidation_usd: Decimal = Field(
        Decimal(100_000), ge=0, description="A larger position is liquidated by a fifth first."
    )

    @field_validator("speed")
    @classmethod
    def _speed(cls, value: str) -> str:
        if value != "max" and (not re.fullmatch(r"\d+(\.\d+)?", value) or float(value) <= 0):
            raise ValueError("a number above 0, or max")
        return value

    @property
    def pace(self) -> float | None:
        """Source seconds a second; None: as fast as clients read."""
        return None if self.speed == "max" else float(self.speed)

    @property
    def recording(self) -> Path | None:
        return None if self.source == "modelled" else Path(self.source)
