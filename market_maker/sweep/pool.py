"""Many jobs at once: Dask workers, of this machine or of a cluster given by its address.

One way for both, so that a sweep that became too large for one machine runs unchanged on many. A worker that dies,
for want of memory for instance, costs its job and not the sweep: its job is tried once more on another, then
reported, which a pool of plain processes cannot do.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from market_maker.sweep.job import Done, Job, run
from shared.confirmation import code_version
from shared.errors import DataError, MarketMakerError

_COUNTS = re.compile(r"\.(csv|csv\.gz|parquet|gz)$")
_SERIES = re.compile(r"^\d{4}-\d{2}-\d{2}\.csv$|^frames-")
CONNECT_S = 10.0
DEATHS = 1
"""So many workers may die over a job before it is given up."""
AHEAD = 4
"""Jobs in the scheduler's hands, per worker: enough to keep all busy, without piling up settings of the rest."""


class Probe(NamedTuple):
    """What must be the same everywhere."""

    code: str
    python: str
    files: str
    """Hash of names and sizes of the recording's files; empty: no such folder."""


class ClusterError(MarketMakerError):
    """The cluster cannot be used."""


def probe(recording: Path) -> Probe:
    """Of the process that is asked."""
    listing = [f"{file.relative_to(recording).as_posix()} {size}" for file, size in _sizes(recording)]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Probe(code_version(), version, sha256("\n".join(listing).encode()).hexdigest()[:16] if listing else "")


def _sizes(recording: Path) -> Iterator[tuple[Path, int | None]]:
    """Files and sizes; of what may still grow, the newest of a series, the size does not count."""
    files = sorted(path for path in recording.rglob("*") if _COUNTS.search(path.name) and path.is_file())
    series = [path.name for path in files if _SERIES.search(path.name)]
    newest = max(series, default="")
    return ((path, None if path.name == newest else path.stat().st_size) for path in files)


def results(
    jobs: Sequence[Job], recording: Path, workers: int | None, cluster: str | None
) -> Iterator[Done]:  # fmt: skip
    """Each job's end as it comes.

    Raises:
        ClusterError: no such cluster, no worker in it, or one that has other code.
        DataError: a worker does not see the same recording at the same path.
    """
    _quiet()
    with _connected(workers, cluster, len(jobs)) as client:
        if cluster is not None:
            _check(client, recording)
        yield from _run(client, jobs)


@contextmanager
def _connected(workers: int | None, cluster: str | None, jobs: int) -> "Iterator[Any]":
    from distributed import Client, LocalCluster

    if cluster is not None:
        try:
            client = Client(cluster, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"--cluster {cluster}: no scheduler answers there ({error}); start one with `dask scheduler`"
            ) from error
        with client:
            if not client.scheduler_info(n_workers=-1)["workers"]:
                raise ClusterError(
                    f"--cluster {cluster}: it has no workers; start one with `dask worker {cluster}`"
                )
            yield client
        return
    count = max(1, min(workers or os.cpu_count() or 1, jobs))
    with (
        LocalCluster(
            n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0", memory_limit=0
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def _check(client: Any, recording: Path) -> None:
    here = probe(recording)
    try:
        found: dict[str, Probe] = client.run(probe, recording)
    except Exception as error:
        raise ClusterError(
            f"--cluster: a worker cannot run this code ({type(error).__name__}: {error}); start the workers"
            " with the `dask` of the market maker's own environment, in its folder"
        ) from error
    for worker, there in sorted(found.items()):
        if (there.code, there.python) != (here.code, here.python):
            raise ClusterError(
                f"--cluster: worker {worker} has code {there.code} on Python {there.python}, here it is"
                f" {here.code} on {here.python}; bring the same version there and restart the worker"
            )
        if there.files != here.files:
            what = "holds other files" if there.files else "does not exist"
            raise DataError(
                f"--cluster: on worker {worker} {recording} {what}; every worker must read the recording at the"
                " same path, from a shared disk or a copy"
            )


def _run(client: Any, jobs: Sequence[Job]) -> Iterator[Done]:
    from distributed import as_completed

    waiting = iter(jobs)
    limit = AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
    submitted: dict[str, Job] = {}

    def submit(job: Job) -> Any:
        future = client.submit(run, job, pure=False, retries=0)
        submitted[future.key] = job
        return future

    running = as_completed([submit(job) for job in islice(waiting, limit)], loop=client.loop)
    for future in running:
        job = submitted.pop(future.key)
        error = future.exception() if future.status == "error" else None
        yield future.result() if error is None else Done(job.combination, job.day, None, _died(error))
        future.release()
        following = next(waiting, None)
        if following is not None:
            running.add(submit(following))


def _died(error: BaseException) -> str:
    kind = type(error).__name__
    return "the worker died over it, for want of memory?" if kind == "KilledWorker" else f"{kind}: {error}"


def _quiet() -> None:
    """Dask tells its own life at length; what matters comes back as a result. Read when it is first imported."""
    import dask

    dask.config.set({"distributed.scheduler.allowed-failures": DEATHS, "logging.distributed": "critical"})
