"""What may stand in a request to `/exchange`, as structs: one definition for the client and the bundled venue.

A signature covers the msgpack of an action in its canonical form (reference page §5.1): keys in the order of the
fields here, optional ones left out where they say nothing, numbers without padding, hex in lower case. Structs
come into being in that form whatever the client sent, so packing them gives the bytes that were signed.
"""

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec.structs import force_setattr

Address = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-fA-F]{40}\Z")]
Cloid = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-fA-F]{32}\Z")]
Index = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
NumberText = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,24}(\.[0-9]{1,24})?\Z")]
"""A decimal number as text: no exponent, no sign but minus, of sane length."""
AMOUNT = r"[0-9]{1,15}(\.[0-9]{1,24})?"
AmountText = Annotated[str, msgspec.Meta(pattern=rf"^{AMOUNT}\Z")]
OwnedAmountText = Annotated[str, msgspec.Meta(pattern=rf"^{AMOUNT}( subaccount:0x[0-9a-fA-F]{{40}})?\Z")]
PercentText = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,3}(\.[0-9]{1,24})?%\Z")]
ChainId = Annotated[str, msgspec.Meta(pattern=r"^0x[0-9a-fA-F]{1,16}\Z")]


def canonical_number(text: str) -> str:
    """`0100.50` as `100.5`; minus zero is zero."""
    whole, _, fraction = text.removeprefix("-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return f"-{number}" if text[0] == "-" and number != "0" else number


class Canonical(msgspec.Struct, frozen=True):
    """Base that brings the named fields into canonical form."""

    _numbers: ClassVar[tuple[str, ...]] = ()
    _hex: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self._numbers:
            force_setattr(self, name, canonical_number(getattr(self, name)))
        for name in self._hex:
            value = getattr(self, name)
            if isinstance(value, str):
                force_setattr(self, name, value.lower())


class Wire(Canonical, frozen=True, rename="camel", omit_defaults=True):
    """Base of everything inside an action; unknown fields are ignored."""


class LimitType(Wire, frozen=True):
    tif: Literal["Alo", "Ioc", "Gtc", "FrontendMarket"]


class TriggerType(Wire, frozen=True):
    _numbers = ("trigger_px",)
    is_market: bool
    trigger_px: NumberText
    tpsl: Literal["tp", "sl"]


class OrderType(Wire, frozen=True):
    """Exactly one of the two."""

    limit: LimitType | None = None
    trigger: TriggerType | None = None


class OrderWire(Wire, frozen=True):
    """a asset, b is buy, p price, s size, r reduce-only, t type, c client id."""

    _numbers = ("p", "s")
    _hex = ("c",)
    a: Index
    b: bool
    p: NumberText
    s: NumberText
    r: bool
    t: OrderType
    c: Cloid | None = None


class BuilderWire(Wire, frozen=True):
    _hex = ("b",)
    b: Address
    f: Index


class PriorityFee(Wire, frozen=True):
    p: Index


class Action(Canonical, frozen=True, tag_field="type", rename="camel", omit_defaults=True):
    """Base of all actions."""


class PlaceOrders(Action, frozen=True, tag="order"):
    orders: tuple[OrderWire, ...]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | PriorityFee
    builder: BuilderWire | None = None


class CancelWire(Wire, frozen=True):
    a: Index
    o: Index


class Cancel(Action, frozen=True, tag="cancel"):
    cancels: tuple[CancelWire, ...]
    f: bool = False


class CancelByCloidWire(Wire, frozen=True):
    _hex = ("cloid",)
    asset: Index
    cloid: Cloid


class CancelByCloid(Action, frozen=True, tag="cancelByCloid"):
    cancels: tuple[CancelByCloidWire, ...]
    f: bool = False


class ModifyWire(Wire, frozen=True):
    """`a`: place the new order even if the old one cannot be cancelled."""

    _hex = ("oid",)
    oid: Index | Cloid
    order: OrderWire
    a: bool = False


class Modify(Action, frozen=True, tag="modify"):
    _hex = ("oid",)
    oid: Index | Cloid
    order: OrderWire
    a: bool = False


class BatchModify(Action, frozen=True, tag="batchModify"):
    modifies: tuple[ModifyWire, ...]


class UpdateLeverage(Action, frozen=True, tag="updateLeverage"):
    asset: Index
    is_cross: bool
    leverage: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class UpdateIsolatedMargin(Action, frozen=True, tag="updateIsolatedMargin"):
    """`ntli` micro-dollars, negative takes margin away; `is_buy` means nothing."""

    asset: Index
    is_buy: bool
    ntli: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class TopUpIsolatedOnlyMargin(Action, frozen=True, tag="topUpIsolatedOnlyMargin"):
    _numbers = ("leverage",)
    asset: Index
    leverage: NumberText


class ScheduleCancel(Action, frozen=True, tag="scheduleCancel"):
    time: Index | None = None


class ReserveRequestWeight(Action, frozen=True, tag="reserveRequestWeight"):
    _hex = ("destination",)
    weight: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]
    destination: Address | None = None


class Noop(Action, frozen=True, tag="noop"):
    pass


class SetReferrer(Action, frozen=True, tag="setReferrer"):
    code: str


class CreateSubAccount(Action, frozen=True, tag="createSubAccount"):
    name: str


class SubAccountTransfer(Action, frozen=True, tag="subAccountTransfer"):
    """`usd` in micro-dollars."""

    _hex = ("sub_account_user",)
    sub_account_user: Address
    is_deposit: bool
    usd: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]


class SubAccountSpotTransfer(Action, frozen=True, tag="subAccountSpotTransfer"):
    _hex = ("sub_account_user",)
    sub_account_user: Address
    is_deposit: bool
    token: str
    amount: AmountText


class VaultTransfer(Action, frozen=True, tag="vaultTransfer"):
    _hex = ("vault_address",)
    vault_address: Address
    is_deposit: bool
    usd: Annotated[int, msgspec.Meta(gt=0, le=2**63 - 1)]


class AgentSetAbstraction(Action, frozen=True, tag="agentSetAbstraction"):
    abstraction: Literal["i", "u", "p"]


class UserSigned(Action, frozen=True):
    """Base of actions about money and permissions; they carry their own nonce (`nonce` or `time`). Their
    fields are signed one by one (§5.2), texts as they were sent."""

    signature_chain_id: ChainId
    hyperliquid_chain: Literal["Mainnet", "Testnet"]


class UsdSend(UserSigned, frozen=True, tag="usdSend"):
    destination: Address
    amount: AmountText
    time: Index


class SpotSend(UserSigned, frozen=True, tag="spotSend"):
    destination: Address
    token: str
    amount: AmountText
    time: Index


class Withdraw(UserSigned, frozen=True, tag="withdraw3"):
    destination: Address
    amount: AmountText
    time: Index


class UsdClassTransfer(UserSigned, frozen=True, tag="usdClassTransfer"):
    """`amount` may end in ` subaccount:0x…`: then it acts for that sub-account."""

    amount: OwnedAmountText
    to_perp: bool
    nonce: Index


class SendAsset(UserSigned, frozen=True, tag="sendAsset"):
    destination: Address
    source_dex: str
    destination_dex: str
    token: str
    amount: AmountText
    from_sub_account: str
    nonce: Index


class ApproveAgent(UserSigned, frozen=True, tag="approveAgent"):
    agent_address: Address
    nonce: Index
    agent_name: str | None = None


class ApproveBuilderFee(UserSigned, frozen=True, tag="approveBuilderFee"):
    max_fee_rate: PercentText
    builder: Address
    nonce: Index


class UserSetAbstraction(UserSigned, frozen=True, tag="userSetAbstraction"):
    user: Address
    abstraction: Literal["unifiedAccount", "portfolioMargin", "disabled"]
    nonce: Index


TimedAction = UsdSend | SpotSend | Withdraw
NoncedAction = UsdClassTransfer | SendAsset | ApproveAgent | ApproveBuilderFee | UserSetAbstraction
AnyUserSigned = TimedAction | NoncedAction
AnyAction = (
    PlaceOrders | Cancel | CancelByCloid | Modify | BatchModify | UpdateLeverage | UpdateIsolatedMargin
    | TopUpIsolatedOnlyMargin | ScheduleCancel | ReserveRequestWeight | Noop | SetReferrer | CreateSubAccount
    | SubAccountTransfer | SubAccountSpotTransfer | VaultTransfer | AgentSetAbstraction | AnyUserSigned
)  # fmt: skip


def inner_nonce(action: AnyUserSigned) -> int:
    """The nonce that the signature of a user-signed action covers."""
    return action.time if isinstance(action, TimedAction) else action.nonce
