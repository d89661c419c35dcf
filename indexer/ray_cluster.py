"""A Ray cluster: its address, and being its driver for a while; failures to are one clear line."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from data.errors import ClusterFailed, MissingExtra, UsageError

ADDRESS = re.compile(r"auto|(ray://)?(?P<host>[^\s/:]+|\[[^\s/]+\]):(?P<port>\d+)")
LOOPBACK = "127.0.0.1"
PATIENCE = 10  # seconds until an address counts as unreachable
STARTING = "120"  # seconds at most until a cluster of this machine's own has started; Ray has 30
LEAVING = 30  # seconds at most until Ray Data has stopped
RAY_DATA = ("iter_threaded", "StreamingExecutor")  # how names of its threads begin


@dataclass(frozen=True)
class Cluster:
    """Where to encode: the address of a Ray cluster, or None for one of this machine's own.

    Raises:
        UsageError: the address is of something else.
    """

    address: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.address is not None and not ADDRESS.fullmatch(self.address):
            raise UsageError(
                f"expected HOST:PORT or ray://HOST:PORT of a Ray cluster, received {self.address!r}"
            )


@contextlib.contextmanager
def connected(cluster: Cluster) -> Iterator[int]:
    """Be a driver of `cluster` and no other; gives how many processors it has.

    Raises:
        MissingExtra, ClusterFailed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_worker_niceness", "0")  # else workers wait for all else that runs
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", STARTING)
    # Else what Ray Data tidies up after we have left would start a cluster of its own.
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    try:
        import ray
    except ImportError as exc:
        raise MissingExtra("--engine ray needs: pip install 'digit-search[ray]'") from exc
    options: dict[str, Any] = {"address": cluster.address or "local"}
    if cluster.address:
        _reach(cluster.address)
    else:
        options |= {"include_dashboard": False, "_node_ip_address": LOOPBACK}
    try:
        ray.init(logging_level=logging.CRITICAL, log_to_driver=False, **options)
    except Exception as exc:  # Ray raises whatever went wrong beneath it
        raise _no_cluster(cluster.address or "this machine", exc, ray.__version__) from exc
    others = set(threading.enumerate())
    try:
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield max(1, int(resources.get("CPU", 1)))
    finally:
        let_ray_data_stop(others)
        ray.shutdown()


def let_ray_data_stop(others: set[threading.Thread]) -> None:
    """Wait for its threads, but for the `others`; one that asks Ray later ends the process."""
    until = time.monotonic() + LEAVING
    for thread in set(threading.enumerate()) - others:
        if thread.name.startswith(RAY_DATA):
            thread.join(max(0, until - time.monotonic()))


def _reach(address: str) -> None:
    """Refuse an address where nothing answers, for which Ray itself waits for minutes.

    Raises:
        ClusterFailed: nothing does.
    """
    from ray import __version__

    found = ADDRESS.fullmatch(address)
    if not found or not found["port"]:
        return  # Ray looks for one on this machine
    try:
        socket.create_connection((found["host"].strip("[]"), int(found["port"])), PATIENCE).close()
    except (OSError, OverflowError) as exc:
        raise _no_cluster(address, exc, __version__) from exc


def _no_cluster(where: str, exc: Exception, ours: str) -> ClusterFailed:
    said = " ".join(str(exc).split())[:200]
    return ClusterFailed(
        f"no Ray cluster at {where}: {said}; see that it runs there with Ray {ours}, or leave out"
        " --engine ray"
    )
