"""Every error this application raises on purpose.

    MarketMakerError
    ├── ConfigError      a setting, file or flag is wrong; names the setting and the remedy   (exit 4)
    ├── VenueError       the venue refused, misbehaved or is unreachable: theirs, retry or report
    ├── DataError        a recording, CSV or stored state is damaged: ours to refuse, never to guess
    ├── BusError         Redis is away or full: wait, and hold no risk meanwhile
    ├── ClockSetBack     the wall clock jumped to an earlier time: end, and begin anew with the new time
    ├── KillSwitch       the guard has stopped everything: this process has put its things in order and ends
    └── InvariantError   our own promise is broken: halt, exit non-zero

Expected outcomes (a rejected order, a side that may not be quoted) are values, not errors.
"""


class MarketMakerError(Exception):
    """Base of all deliberate errors; its text is shown to the operator as it is."""


class ConfigError(MarketMakerError):
    """A setting is missing, unknown or out of range."""


class VenueError(MarketMakerError):
    """The exchange could not be reached or answered with something we must not act on."""


class DataError(MarketMakerError):
    """Stored or recorded data is damaged or not what its name says."""


class BusError(MarketMakerError):
    """The message bus is unreachable, read-only or out of memory."""


class ClockSetBack(MarketMakerError):
    """Every age and deadline of this process is a difference of wall times: all of them would wait."""


class KillSwitch(MarketMakerError):
    """The guard has halted everything, and what rested is cancelled."""


class InvariantError(MarketMakerError):
    """A state that our own code promised could never exist."""
