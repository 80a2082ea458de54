"""Dashboards as code, in Grafana's schema v1: v2 is not read by file provisioning everywhere yet.

The SDK announces v2 by a warning when its v1 classes are imported; that import happens here, once, unheard.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import grafana_foundation_sdk.builders.bargauge
    import grafana_foundation_sdk.builders.dashboard  # noqa: F401
