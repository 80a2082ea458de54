"""The executor's own look at the confirmation: without a permit nothing is sent to the venue.

What the start script had confirmed and what this process finds are described by the same function, so that any
difference between them (another account, key, venue, setting, code, start or boot) is a refusal.
"""

from services import trading_settings
from services.executor.config import ExecutorConfig
from shared import confirmation
from shared.clock import wall_ms
from shared.config import load_assets
from shared.confirmation import Permit, Subject
from shared.secrets import Credentials


def subject_here(credentials: Credentials, venue: str, url: str, run_id: str) -> Subject:
    """What this installation would trade, as it is now."""
    return Subject(
        account=credentials.address,
        key=credentials.agent,
        venue=f"{venue} {url}",
        configuration=confirmation.configuration_hash(trading_settings(), load_assets()),
        code=confirmation.code_version(),
        boot=confirmation.boot_id(),
        run=run_id,
    )


def take_permit(config: ExecutorConfig, credentials: Credentials) -> Permit:
    """The permit of this process to trade with `credentials`; held for as long as it lives.

    Raises:
        ConfigError: nobody has confirmed this start, the confirmation is for something else or over, or another
            process trades under it.
    """
    subject = subject_here(credentials, config.venue, config.url, config.run_id)
    return confirmation.require(config.confirmation_dir, subject, wall_ms())
