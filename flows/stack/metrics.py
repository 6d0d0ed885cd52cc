"""What the supervisor tells Prometheus: which server is well, how often each was started, how large the databases are."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from flows.loopback import HOST
from flows.stack.place import Place
from flows.stack.postgres import DATABASES, admin

if TYPE_CHECKING:
    from threading import Thread
    from wsgiref.simple_server import WSGIServer


class OfServers(Collector):
    """Looks when it is asked.

    Args:
        place: where PostgreSQL is.
        rows: returns what `Kept.as_json` says of each server.
    """

    def __init__(self, place: Place, rows: Callable[[], Sequence[dict[str, Any]]]) -> None:
        self._place, self._rows = place, rows

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        well = GaugeMetricFamily("diptych_service_up", "Whether a server answers as it should", labels=["service"])
        starts = CounterMetricFamily(
            "diptych_service_starts", "How often it was started; once where nothing went wrong", labels=["service"]
        )
        about = GaugeMetricFamily(
            "diptych_service_info", "Which version, and where", labels=["service", "what", "version", "address"]
        )
        for row in self._rows():
            well.add_metric([row["name"]], float(row["state"] == "well"))
            starts.add_metric([row["name"]], row["starts"])
            about.add_metric([row["name"], row["what"], row["version"], row["address"]], 1.0)
        yield from (well, starts, about, self._sizes())

    def _sizes(self) -> Metric:
        import psycopg2

        sizes = GaugeMetricFamily(
            "diptych_database_size_bytes", "Of a database; none where PostgreSQL does not answer", labels=["database"]
        )
        try:
            connection = psycopg2.connect(**admin(self._place), dbname="postgres")
        except psycopg2.Error:
            return sizes
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "select datname, pg_database_size(datname) from pg_database where datname = any(%s)",
                    (list(DATABASES),),
                )
                for name, size in cursor.fetchall():
                    sizes.add_metric([name], float(size))
        except psycopg2.Error:
            return sizes
        finally:
            connection.close()
        return sizes


def address(place: Place) -> str:
    """Return where it is asked."""
    return f"{place.url('supervisor')}/metrics"


def answer(place: Place, rows: Callable[[], Sequence[dict[str, Any]]]) -> "tuple[WSGIServer, Thread]":
    """Answer on this machine alone, in a thread of its own. OSError where the port is not to be had."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(OfServers(place, rows))
    return start_http_server(place.ports["supervisor"], addr=HOST, registry=registry)
