"""What this process counts and measures, for Prometheus; alone, or summed up with others that share the port."""

import threading
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from app.web import shared_metrics
from app.web.shared_metrics import adding, observing

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
OTHER = "other"
MOST_MODELS = 200
RUN = "(run)"
"""Models with series of their own in a process; all others share one."""
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
PREDICTION_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
Add = Callable[[float], None]


class Metrics:
    """Thread-safe. Each set of labels is looked up once and kept, for that is what costs."""

    def __init__(self, shared: Path | None = None) -> None:
        """`shared`: the folder by which processes that share the port add up what they count."""
        self.shared = shared
        shared_metrics.keep_in(shared)
        registry = self._registry = CollectorRegistry()
        self._http = Counter(
            "dropnorm_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self._http_seconds = Histogram(
            "dropnorm_http_request_seconds",
            "Seconds until the last byte was handed over.",
            ("route",),
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._prediction_seconds = Histogram(
            "dropnorm_prediction_seconds",
            "Seconds from rows to answers.",
            ("project", "model"),
            buckets=PREDICTION_SECONDS,
            registry=registry,
        )
        self._prediction_rows = Counter(
            "dropnorm_prediction_rows", "Rows answered.", ("project", "model"), registry=registry
        )
        cache = Counter(
            "dropnorm_model_cache_requests", "Predictions by whether their model was in memory.", ("outcome",),
            registry=registry,
        )  # fmt: skip
        self._turned_away = Counter(
            "dropnorm_predictions_refused", "Predictions that would have waited too long.", registry=registry
        )
        self._hit, self._miss = adding(cache.labels("hit")), adding(cache.labels("miss"))
        self._models = Gauge(
            "dropnorm_model_cache_models", "Models in memory.", registry=registry, multiprocess_mode="livesum"
        )
        self._models.set(0)
        self._requests: dict[tuple[str, int, str], Add] = {}
        self._routes: dict[str, Add] = {}
        self._predictions: dict[tuple[str, str], tuple[Add, Add]] = {}
        self._lock = threading.Lock()

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is the template of its path."""
        key = (route, status, method)
        count = self._requests.get(key)
        if count is None:
            known = method if method in METHODS else OTHER
            count = self._requests[(route, status, known)] = adding(self._http.labels(known, route, str(status)))
        count(1)
        observe = self._routes.get(route)
        if observe is None:
            observe = self._routes[route] = observing(self._http_seconds.labels(route))
        observe(seconds)

    def prediction(self, project: str, model: str, rows: int, seconds: float) -> None:
        """Rows were answered by a model that exists; its name is empty where a run was asked directly."""
        observe, add = self._predictions.get((project, model or RUN)) or self._series_of(project, model or RUN)
        observe(seconds)
        add(rows)

    def looked_up(self, *, found: bool) -> None:
        """A model was wanted, and was in memory or not."""
        (self._hit if found else self._miss)(1)

    def turned_away(self) -> None:
        """A prediction was refused, for too many wait."""
        self._turned_away.inc()

    def holds(self, models: int) -> None:
        """So many models are in memory now."""
        self._models.set(models)

    def text(self) -> bytes:
        """All of it in the text format, as sums over the processes."""
        if self.shared is None:
            return generate_latest(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, str(self.shared))  # type: ignore[no-untyped-call]
        return generate_latest(together)

    def _series_of(self, project: str, model: str) -> tuple[Add, Add]:
        with self._lock:
            if len(self._predictions) >= MOST_MODELS:
                project, model = "(other)", "(other)"
            key = (project, model)
            if key not in self._predictions:
                seconds, rows = self._prediction_seconds.labels(*key), self._prediction_rows.labels(*key)
                self._predictions[key] = observing(seconds), adding(rows)
            return self._predictions[key]
