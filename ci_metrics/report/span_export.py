"""Spans to an OTLP collector, by OpenTelemetry's SDK.

Belongs here: our spans as the SDK's, and sending. Does not: which spans (`trace_spans.py`), when.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from ci_metrics import __version__
from ci_metrics.errors import SettingsError, TransientError
from ci_metrics.report.trace_spans import TraceSpan
from ci_metrics.settings import Settings
from ci_metrics.urls import mask_url

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

#: Spans in one request.
_AT_ONCE = 512

#: Seconds that one request may take, retries included.
SECONDS = 10


class Collector:
    """The collector that the settings name. Use it in a `with`."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when OTEL_EXPORTER_OTLP_ENDPOINT is not set, or the SDK missing."""
        if settings.otel_exporter_otlp_endpoint is None:
            raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT", "not set: no collector is told", "Set its address")
        try:  # half a second to load, and an extra
            import requests
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        except ImportError:
            raise SettingsError(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "set, while OpenTelemetry's SDK is not installed",
                "Install it: pip install 'ci_metrics[otel]'",
            ) from None
        self.location = mask_url(settings.otel_exporter_otlp_endpoint)
        headers = settings.otel_exporter_otlp_headers
        # Sent on, a POST becomes a GET without the spans, and takes the headers to any host.
        session = requests.Session()
        session.max_redirects = 0
        self._exporter = OTLPSpanExporter(
            endpoint=f"{settings.otel_exporter_otlp_endpoint}/v1/traces",
            headers=read_headers(headers.get_secret_value()) if headers is not None else None,
            timeout=SECONDS,
            session=session,
        )

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK gives it no types

    def send(self, spans: Sequence[TraceSpan]) -> None:
        """Send them. Raises TransientError when the collector did not take them all."""
        from opentelemetry.sdk.trace.export import SpanExportResult

        made = sdk_spans(spans)
        for begin in range(0, len(made), _AT_ONCE):
            if self._exporter.export(made[begin : begin + _AT_ONCE]) is not SpanExportResult.SUCCESS:
                raise TransientError(
                    f"the collector at {self.location} did not take {len(made) - begin} of {len(made)} spans. They are sent "
                    "again later; check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS"
                )


def sdk_spans(spans: Sequence[TraceSpan]) -> list[ReadableSpan]:
    """The spans as the SDK has them."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    resource = Resource({"service.name": "ci_metrics", "service.version": __version__})
    scope = InstrumentationScope("ci_metrics", __version__)
    sampled = TraceFlags(TraceFlags.SAMPLED)

    def context(span: TraceSpan, span_id: int) -> SpanContext:
        return SpanContext(span.trace_id, span_id, is_remote=False, trace_flags=sampled)

    return [
        ReadableSpan(
            name=span.name,
            context=context(span, span.span_id),
            parent=None if span.parent_id is None else context(span, span.parent_id),
            resource=resource,
            attributes=span.attributes,
            kind=SpanKind.SERVER if span.kind == "run" else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR) if span.failed else Status(StatusCode.UNSET),
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=scope,
        )
        for span in spans
    ]


def read_headers(text: str) -> dict[str, str]:
    """Headers as the SDK's own variable has them: `name=value,name=value`, percent-encoded. Raises
    SettingsError, which shows nothing of them.
    """
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise SettingsError(
                "OTEL_EXPORTER_OTLP_HEADERS", "an entry is not name=value", "Write name=value, separated by commas"
            )
        found[unquote(name.strip()).lower()] = unquote(value.strip())
    return found


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000
