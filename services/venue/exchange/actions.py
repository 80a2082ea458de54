"""What may stand in a request to `/exchange`, as structs."""

from typing import Annotated, Literal

import msgspec

Address = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{40}$")]
Cloid = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{32}$")]
Index = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
NumberText = Annotated[str, msgspec.Meta(pattern=r"^-?\d{1,24}(\.\d{1,24})?$")]
"""A decimal number as text: no exponent, no sign but minus, of sane length."""


class Wire(msgspec.Struct, frozen=True, rename="camel"):
    """Base of everything inside an action; unknown fields are ignored."""


class LimitType(Wire, frozen=True):
    tif: Literal["Alo", "Ioc", "Gtc", "FrontendMarket"]


class TriggerType(Wire, frozen=True):
    is_market: bool
    trigger_px: NumberText
    tpsl: Literal["tp", "sl"]


class OrderType(Wire, frozen=True):
    """Exactly one of the two."""

    limit: LimitType | None = None
    trigger: TriggerType | None = None


class OrderWire(Wire, frozen=True):
    """a asset, b is buy, p price, s size, r reduce-only, t type, c client id."""

    a: Index
    b: bool
    p: NumberText
    s: NumberText
    t: OrderType
    r: bool = False
    c: Cloid | None = None


class BuilderWire(Wire, frozen=True):
    b: Address
    f: Annotated[int, msgspec.Meta(ge=0)]


class PriorityFee(Wire, frozen=True):
    p: Annotated[int, msgspec.Meta(ge=0)]


class Action(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """Base of all actions."""


class PlaceOrders(Action, frozen=True, tag="order"):
    orders: tuple[OrderWire, ...]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | PriorityFee = "na"
    builder: BuilderWire | None = None


class CancelWire(Wire, frozen=True):
    a: Index
    o: Index


class Cancel(Action, frozen=True, tag="cancel"):
    cancels: tuple[CancelWire, ...]
    f: bool = False


class CancelByCloidWire(Wire, frozen=True):
    asset: Index
    cloid: Cloid


class CancelByCloid(Action, frozen=True, tag="cancelByCloid"):
    cancels: tuple[CancelByCloidWire, ...]
    f: bool = False


class ModifyWire(Wire, frozen=True):
    """`a`: place the new order even if the old one cannot be cancelled."""

    oid: Index | Cloid
    order: OrderWire
    a: bool = False


class Modify(Action, frozen=True, tag="modify"):
    oid: Index | Cloid
    order: OrderWire
    a: bool = False


class BatchModify(Action, frozen=True, tag="batchModify"):
    modifies: tuple[ModifyWire, ...]


class UpdateLeverage(Action, frozen=True, tag="updateLeverage"):
    asset: Index
    is_cross: bool
    leverage: int


class UpdateIsolatedMargin(Action, frozen=True, tag="updateIsolatedMargin"):
    """`ntli` micro-dollars, negative takes margin away; `is_buy` means nothing."""

    asset: Index
    is_buy: bool
    ntli: int


class TopUpIsolatedOnlyMargin(Action, frozen=True, tag="topUpIsolatedOnlyMargin"):
    asset: Index
    leverage: NumberText


class ScheduleCancel(Action, frozen=True, tag="scheduleCancel"):
    time: Index | None = None


class ReserveRequestWeight(Action, frozen=True, tag="reserveRequestWeight"):
    weight: Annotated[int, msgspec.Meta(gt=0)]
    destination: Address | None = None


class Noop(Action, frozen=True, tag="noop"):
    pass


class SetReferrer(Action, frozen=True, tag="setReferrer"):
    code: str


class CreateSubAccount(Action, frozen=True, tag="createSubAccount"):
    name: str


class SubAccountTransfer(Action, frozen=True, tag="subAccountTransfer"):
    """`usd` in micro-dollars."""

    sub_account_user: Address
    is_deposit: bool
    usd: Annotated[int, msgspec.Meta(gt=0)]


class VaultTransfer(Action, frozen=True, tag="vaultTransfer"):
    vault_address: Address
    is_deposit: bool
    usd: Annotated[int, msgspec.Meta(gt=0)]


class AgentSetAbstraction(Action, frozen=True, tag="agentSetAbstraction"):
    abstraction: str


class UserSigned(Action, frozen=True):
    """Base of actions about money and permissions; they carry their own nonce (`nonce` or `time`)."""

    signature_chain_id: str
    hyperliquid_chain: str


class UsdSend(UserSigned, frozen=True, tag="usdSend"):
    destination: Address
    amount: NumberText
    time: Index


class SpotSend(UserSigned, frozen=True, tag="spotSend"):
    destination: Address
    token: str
    amount: NumberText
    time: Index


class Withdraw(UserSigned, frozen=True, tag="withdraw3"):
    destination: Address
    amount: NumberText
    time: Index


class UsdClassTransfer(UserSigned, frozen=True, tag="usdClassTransfer"):
    """`amount` may end in ` subaccount:0x…`: then it acts for that sub-account."""

    amount: str
    to_perp: bool
    nonce: Index


class SendAsset(UserSigned, frozen=True, tag="sendAsset"):
    destination: Address
    source_dex: str
    destination_dex: str
    token: str
    amount: NumberText
    from_sub_account: str
    nonce: Index


class ApproveAgent(UserSigned, frozen=True, tag="approveAgent"):
    agent_address: Address
    nonce: Index
    agent_name: str | None = None


class ApproveBuilderFee(UserSigned, frozen=True, tag="approveBuilderFee"):
    max_fee_rate: str
    builder: Address
    nonce: Index


class UserSetAbstraction(UserSigned, frozen=True, tag="userSetAbstraction"):
    user: Address
    abstraction: str
    nonce: Index


AnyAction = (
    PlaceOrders | Cancel | CancelByCloid | Modify | BatchModify | UpdateLeverage | UpdateIsolatedMargin
    | TopUpIsolatedOnlyMargin | ScheduleCancel | ReserveRequestWeight | Noop | SetReferrer | CreateSubAccount
    | SubAccountTransfer | VaultTransfer | AgentSetAbstraction | UsdSend | SpotSend | Withdraw | UsdClassTransfer
    | SendAsset | ApproveAgent | ApproveBuilderFee | UserSetAbstraction
)  # fmt: skip


class Signed(msgspec.Struct, frozen=True):
    """A request whose signature has been looked at: what is asked, by which key, for which account."""

    action: AnyAction
    signer: str | None
    """Lower-case address of the key; None when no address can be recovered."""
    nonce: int
    vault_address: str | None = None
    expires_after: int | None = None
