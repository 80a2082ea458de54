"""What the watchdog sees, for Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.watchdog.core import Watchdog
from shared.clock import wall_ms
from shared.metrics import WATCHDOG


class WatchdogCollector(Collector):
    """Reads the core at every scrape; what is not known has no series. `now_ms` is replaceable in tests."""

    def __init__(self, core: Watchdog, now_ms: Callable[[], float] = wall_ms) -> None:
        self._core, self._now_ms = core, now_ms

    def collect(self) -> Iterator[Metric]:
        values = self._values()
        for metric in WATCHDOG:
            value = values[metric.name]
            if value is None:
                continue
            family = (CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily)(
                metric.name, metric.text
            )
            family.add_metric((), value)
            yield family

    def _values(self) -> dict[str, float | None]:
        core, now_ms = self._core, self._now_ms()
        seen = core.looked_ms is not None
        since_ms = core.looked_ms or core.started_ms
        return {
            "mm_watchdog_executor_silent": float(core.silent),
            "mm_watchdog_alarm": float(core.alarm_since_ms is not None),
            "mm_watchdog_alarms_total": core.alarms,
            "mm_watchdog_cancelled_total": core.cancelled,
            "mm_watchdog_own_orders": len(core.own) if seen else None,
            "mm_watchdog_foreign_orders": len(core.foreign) if seen else None,
            "mm_watchdog_look_age_seconds": (now_ms - since_ms) / 1000 if since_ms else None,
            "mm_watchdog_key_holds": None if core.key_holds is None else float(core.key_holds),
            "mm_watchdog_switch_seconds": max(0.0, core.armed_until_ms - now_ms) / 1000,
        }
