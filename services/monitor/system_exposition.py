"""Services, feed, bus, gates and data for Prometheus: samples from the core's state at the moment of a scrape."""

from collections.abc import Iterator

from services.monitor.core import Monitor
from services.monitor.files import VERDICTS, FilesSeen
from shared.messages import SILENT_MS, FeedHealth

Samples = Iterator[tuple[str, tuple[str, ...], float]]


def system_samples(core: Monitor, now_ms: float) -> Samples:
    yield from _services(core, now_ms)
    if core.feed is not None:
        yield from _feed(core.feed, now_ms)
    yield from _bus(core)
    yield from _gates(core.files, now_ms)
    yield from _data(core, now_ms)


def _services(core: Monitor, now_ms: float) -> Samples:
    for service, beat in core.heartbeats.items():
        yield "mm_service_heartbeat_age_seconds", (service,), max(0.0, now_ms - beat.time_ms) / 1000
        yield "mm_service_memory_bytes", (service,), beat.rss_mb * 1024 * 1024
        yield "mm_service_start_timestamp_seconds", (service,), beat.started_ms / 1000
        yield "mm_service_restarts_total", (service,), core.restarts[service]


def _feed(feed: FeedHealth, now_ms: float) -> Samples:
    """While the ingestor itself is silent nobody knows of the connection, and the age goes on growing."""
    yield "mm_ws_reconnects_total", (), feed.reconnects_total
    if now_ms - feed.time_ms <= SILENT_MS:
        yield "mm_feed_connected", (), float(feed.connected)
    yield "mm_feed_frames_total", (), feed.frames_total
    yield "mm_feed_refused_total", (), feed.refused_total
    if feed.last_frame_ms:
        yield "mm_feed_age_seconds", (), max(0.0, now_ms - feed.last_frame_ms) / 1000


def _bus(core: Monitor) -> Samples:
    if core.redis_memory_ratio is not None:
        yield "mm_redis_memory_ratio", (), core.redis_memory_ratio
    for backlog in core.backlogs:
        of = backlog.group, backlog.stream
        if backlog.lag is not None:
            yield "mm_bus_lag", of, backlog.lag
        yield "mm_bus_pending", of, backlog.pending


def _gates(files: FilesSeen, now_ms: float) -> Samples:
    if files.evidence is not None:
        yield "mm_gate_evidence_timestamp_seconds", (), files.evidence.made_ms / 1000
        yield "mm_gate_evidence_left_seconds", (), (files.evidence.until_ms - now_ms) / 1000
        for gate, result in files.evidence.gates.items():
            yield "mm_gate_verdict", (gate,), VERDICTS[result.verdict]
    if files.analysis is not None:
        yield "mm_analysis_timestamp_seconds", (), files.analysis.made_ms / 1000
        for gate, judged in files.analysis.gates.items():
            yield "mm_analysis_verdict", (gate,), VERDICTS[judged.verdict]
            yield "mm_analysis_coins", (gate,), sum(verdict == "GO" for verdict in judged.coins.values())


def _data(core: Monitor, now_ms: float) -> Samples:
    if core.files.converted_ms is not None:
        yield "mm_converter_last_success_timestamp_seconds", (), core.files.converted_ms / 1000
    for family, written_ms in core.files.written_ms.items():
        yield "mm_recording_age_seconds", (family,), max(0.0, now_ms - written_ms) / 1000
    disk = core.files.disk
    if disk is not None:
        yield "mm_disk_free_bytes", (), disk.free
        yield "mm_disk_used_ratio", (), 1 - disk.free / disk.total
        if core.disk_trend.left_s is not None:
            yield "mm_disk_left_seconds", (), core.disk_trend.left_s
