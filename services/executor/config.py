"""Settings of the executor."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from services.executor.queue_models import CancelKind
from shared.config import EngineConfig


class ExecutorConfig(EngineConfig):
    """How orders are kept in line with targets, and how the simulated exchange treats them."""

    section: ClassVar[str] = "executor"

    max_bps_diff: float = Field(
        3.0,
        ge=0,
        le=50,
        description="A resting order stays while its price is within this many bps of the wanted one;"
        " if it is closer to the mid than wanted, by no more than half of the wanted distance.",
    )
    flatten_slippage_bps: float = Field(
        50.0,
        gt=0,
        le=1_000,
        description="`flatten --now` takes at prices up to this many bps through the touch, and never more than"
        " the book shows there.",
    )
    target_max_age_ms: int = Field(
        5_000, ge=500, description="Targets older than this (ms) are no longer quoted: the quoter is silent."
    )
    queue_model: Literal["queue", "v6"] = Field(
        "queue", description="Shadow fills: queue (displayed size ahead) or v6 (1.4 times our own size traded)."
    )
    sim_cancel_model: CancelKind = Field(
        "power", description="Where in the queue cancels happen; risk_averse assumes all of them behind us."
    )
    sim_cancel_power: float = Field(2.0, gt=0, le=10, description="Exponent n of the power cancel models.")
    sim_place_latency_ms: int = Field(
        400, ge=0, le=60_000, description="From deciding on an order until it rests (ms)."
    )
    sim_cancel_latency_ms: int = Field(
        400, ge=0, le=60_000, description="From deciding on a cancel until it takes effect (ms)."
    )
    budget_full_requests: int = Field(
        10_000,
        ge=1_000,
        description="Requests left to the address that count as a full budget (headroom 1). With less, spreads"
        " and the requote threshold widen by 1/√headroom, at most 4 times; below a tenth only reducing orders go.",
    )
    budget_cancel_reserve: int = Field(
        500,
        ge=0,
        description="Requests of the budget that only cancels may use: one for each order that may rest.",
    )
    budget_horizon_h: float = Field(
        24.0, gt=0, le=720, description="Hours that the requests left must last; placing orders is paced to it."
    )
    budget_respend_frac: float = Field(
        0.75,
        ge=0,
        le=1,
        description="Part of the requests earned by trading (one a USD) that is spent again; the rest is saved.",
    )
    budget_burst_requests: int = Field(
        12, ge=2, description="Requests that a coin may save up: all orders of its ladder cancelled and placed."
    )

    @model_validator(mode="after")
    def _reserve_leaves_room_to_reduce(self) -> Self:
        if 10 * self.budget_cancel_reserve >= self.budget_full_requests:
            raise ValueError(
                "budget_cancel_reserve must be below a tenth of budget_full_requests: from a tenth down only"
                " reducing orders are sent, and those need requests too"
            )
        return self

    request_timeout_s: float = Field(
        3.0, gt=0, le=10, description="Longest wait for an answer of the venue to an action or a question (s)."
    )
    action_lifetime_ms: int = Field(
        5_000,
        ge=1_000,
        le=60_000,
        description="An order that has not reached a block so long after it was signed (ms) is dropped by the"
        " venue, which costs five requests of the budget. Cancels have ten minutes.",
    )
    request_weight: int = Field(
        800,
        ge=100,
        le=1_200,
        description="Part of the venue's request weight per IP and minute that the executor may use.",
    )
