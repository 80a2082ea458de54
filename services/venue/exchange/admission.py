"""Who asks, for which account, and whether it is heard.

The order of the checks is an assumption: signer, chain and inner nonce, account, vault, expiry, nonce, budget.
What fails before the nonce leaves it unused.
"""

from services.venue.exchange import budget
from services.venue.exchange.account import Account
from services.venue.exchange.listing import micro
from services.venue.exchange.requests import Signed
from services.venue.exchange.transfers import deposit
from services.venue.exchange.world import Refused, World
from shared.hyperliquid import actions

OF_ACCOUNT_ONLY = (
    actions.ReserveRequestWeight, actions.SetReferrer, actions.CreateSubAccount, actions.SubAccountTransfer,
    actions.SubAccountSpotTransfer, actions.VaultTransfer,
)  # fmt: skip
"""L1 actions that nobody can take for a sub-account."""


def meet(world: World, address: str) -> Account | None:
    """The account of an address that somebody asks about; one never seen is opened and funded, if the venue funds.
    A key that signs for an account never gets one of its own that way."""
    account = world.accounts.get(address)
    if account is not None or not world.config.fund or world.accounts.was_agent(address):
        return account
    account = world.accounts.open(address, world.now_ms)
    deposit(world, account, micro(world.config.fund))
    return account


def identify(world: World, signed: Signed) -> Account:
    """The account that a request acts for.

    Raises:
        Refused: nobody can be found who may do this.
    """
    signer, action = signed.signer, signed.action
    if signer is None:
        raise Refused("Unable to recover signer.")
    if isinstance(action, actions.AnyUserSigned):
        if action.hyperliquid_chain != world.config.chain:
            raise Refused("Mainnet and testnet require different signature.")
        if actions.inner_nonce(action) != signed.nonce:
            raise Refused("Nonce mismatch.")
    return _acting(world, signed, signer)


def admit(world: World, account: Account, signed: Signed) -> None:
    """Count a request of an account, and use its nonce up (see `executed`).

    Raises:
        Refused: too late, a nonce that cannot be used, over the budget.
    """
    signer = signed.signer or ""
    if signed.expires_after is not None and signed.expires_after < world.now_ms:
        account.requests_used += budget.EXPIRED_WEIGHT
        raise Refused("Action already expired")
    refusal = world.nonces.refusal(signer, signed.nonce, world.now_ms)
    if refusal is not None:
        raise Refused(refusal)
    if world.config.refused_burns_nonce:
        world.nonces.use(signer, signed.nonce)
    budget.charge(world, account, signed.action)


def executed(world: World, signed: Signed) -> None:
    """An admitted action was not refused after all: now its nonce is used up at the latest."""
    if signed.signer is not None and not world.config.refused_burns_nonce:
        world.nonces.use(signed.signer, signed.nonce)


def _acting(world: World, signed: Signed, signer: str) -> Account:
    """An agent acts for who approved it, but where money leaves or is spent it stands for itself."""
    accounts, action = world.accounts, signed.action
    if isinstance(action, actions.AnyUserSigned | actions.ReserveRequestWeight):
        account = _own(world, signer)
        if account is None:
            raise Refused(f"Must deposit before performing actions. User: {signer}")
    else:
        account = accounts.agent(signer, world.now_ms) or _own(world, signer)
        if account is None:
            raise Refused(f"User or API Wallet {signer} does not exist.")
    if signed.vault_address is None:
        return account
    named = accounts.get(signed.vault_address)
    if named is None or named.master is not account or isinstance(action, OF_ACCOUNT_ONLY):
        raise Refused(f"Vault not registered: {signed.vault_address}")
    return named


def _own(world: World, signer: str) -> Account | None:
    return meet(world, signer) if world.config.open_on == "sight" else world.accounts.get(signer)
