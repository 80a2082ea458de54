"""Every metric name of the project; dashboards and alerts may use these and no others (a test checks).

The grid (`asset` label) is exposed once, by the monitor, from the streams; each service exposes its own
latency and bus metrics. Gauges of the grid are created empty: a series appears when it has a true value.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

LATENCY_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Every latency objective is an edge."""


class ServiceMetrics:
    """What one process says about itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str, labels: tuple[str, ...] = ()) -> Histogram:
            return Histogram(name, text, labels, buckets=LATENCY_BUCKETS_S, registry=registry)

        self.bus_hop_seconds = histogram(
            "mm_bus_hop_seconds", "From writing an entry to handling it here", ("stream",)
        )
        self.quote_cycle_seconds = histogram(
            "mm_quote_cycle_seconds", "One batch of inputs through the core, outputs published"
        )
        self.tick_to_target_seconds = histogram("mm_tick_to_target_seconds", "Frame received to target published")
        self.tick_to_order_seconds = histogram(
            "mm_tick_to_order_seconds", "Frame received to order handed to the exchange"
        )
        self.bus_skipped = Counter(
            "mm_bus_skipped",
            "Entries of latest streams passed over by conflation",
            ("stream",),
            registry=registry,
        )
        self.bus_lost = Counter(
            "mm_bus_lost", "Entries trimmed before they were handled", ("stream",), registry=registry
        )
        self.bus_reconnects = Counter(
            "mm_bus_reconnects", "Times the bus was lost and found again", registry=registry
        )
        self.bus_up = Gauge("mm_bus_up", "1 while Redis answers", registry=registry)
