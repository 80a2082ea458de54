"""Is the recorded data whole? `examine` looks and changes nothing; `repair` does what can be proven."""

from analysis.integrity.examine import Report, examine
from analysis.integrity.findings import KINDS, Finding
from analysis.integrity.gaps import Gap
from analysis.integrity.repair import Step, repair

__all__ = ["KINDS", "Finding", "Gap", "Report", "Step", "examine", "repair"]
