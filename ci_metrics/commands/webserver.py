"""Dagster's web UI with our pages beside it: `python -m ci_metrics.commands.webserver`, with the
options of `dagster-webserver`.

Belongs here: which address shows which page. Does not: what stands on a page (`report/`), starting
it together with the daemon (`ui.py`).

    /ci-metrics/jobs/<hour>/<job>/<attempt>   a verdict, the lines of the log, and back
    /ci-metrics/reports/<day>                 the report of the week that ends with a day
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from dagster_webserver import cli as dagster_cli
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

from ci_metrics.errors import CiMetricsError, ContractError, NotFoundError
from ci_metrics.history.flaky_fields import flag_rules
from ci_metrics.history.job_reference import known_job
from ci_metrics.orchestration.assets.daily_report import DAY_FORMAT, report_file
from ci_metrics.orchestration.job_details import stored_details
from ci_metrics.orchestration.page_addresses import PREFIX, partition_address
from ci_metrics.orchestration.partitions import hour_start
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.report.explanation import explain_job
from ci_metrics.report.verdict_page import render_verdict
from ci_metrics.settings import load_settings

#: A page loads nothing from anywhere; the report's own script and styles stand in it.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'"

#: What Dagster's webserver calls to make its application.
_MAKES_APP = "create_app_from_workspace_process_context"


def verdict(request: Request) -> HTMLResponse:
    """The page of one failed job."""
    hour, job_id, attempt = (request.path_params[name] for name in ("hour", "job_id", "attempt"))
    hour_start(hour)
    settings = load_settings()
    with open_parts(settings) as ci:
        document = known_job(ci.index.documents, f"github-job-{job_id}-attempt-{attempt}")
        types = flag_rules(ci.judge.categories).storm_types
        found = explain_job(ci.index.documents, document, stored_details(ci.hours.store, document), storm_types=types)
    back = partition_address("classifications", hour)
    return _page(render_verdict(found, back=back, at_github=not settings.is_sample))


def report_page(request: Request) -> HTMLResponse:
    """A day's report, as the asset `daily_report` made it."""
    day = request.path_params["day"]
    try:
        datetime.strptime(day, DAY_FORMAT)
    except ValueError:
        raise ContractError(f"“{day}” is not a day. Write it like 2026-03-02 (UTC)") from None
    with open_parts(load_settings()) as ci:
        file = report_file(ci.hours.store.root, day)
        if not file.exists():
            raise NotFoundError(f"there is no report of {day}. Materialize daily_report for that day")
        return _page(file.read_text(encoding="utf-8"))


def _page(html: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status, {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer"})


def _said(page: Callable[[Request], HTMLResponse]) -> Callable[[Request], HTMLResponse]:
    """The page, or what was wrong in a sentence."""

    def shown(request: Request) -> HTMLResponse:
        try:
            return page(request)
        except CiMetricsError as error:
            words = str(error).replace("&", "&amp;").replace("<", "&lt;")
            status = 404 if isinstance(error, NotFoundError | ContractError) else 500
            return _page(f"<!doctype html><title>ci_metrics</title><p>{words}</p>", status)

    return shown


def pages() -> Mount:
    """Our pages, to stand before Dagster's own."""
    return Mount(
        PREFIX,
        routes=[
            Route("/jobs/{hour}/{job_id:int}/{attempt:int}", _said(verdict)),
            Route("/reports/{day}", _said(report_page)),
        ],
    )


def main() -> None:
    """Run Dagster's webserver with our pages in it."""
    make: Callable[..., Starlette] = getattr(dagster_cli, _MAKES_APP)

    def with_pages(*given: Any, **named: Any) -> Starlette:
        app = make(*given, **named)
        app.router.routes.insert(0, pages())
        return app

    setattr(dagster_cli, _MAKES_APP, with_pages)
    dagster_cli.cli(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
