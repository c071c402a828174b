"""The page of one failed job beside Dagster's UI: the verdict, and the lines of the log around it.

What belongs here: `Explanation` -> HTML. Does not: gathering it (`explanation.py`), serving
(`commands/webserver.py`). All text from CI is escaped; addresses become links only when they are
http(s).
"""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ci_metrics.history.failures import web_url
from ci_metrics.report.explanation import Explanation
from ci_metrics.report.readable import percent


def render_verdict(found: Explanation, *, back: str, at_github: bool) -> str:
    """One HTML page; `back`: the address of the hour's verdicts in Dagster. `at_github`: whether
    GitHub's addresses lead anywhere.
    """
    return _template().render(
        found=found,
        back=back,
        sure=percent(found.confidence),
        line=web_url(found.log_url) if at_github else "",
        job_page=web_url(found.job_url) if at_github else "",
    )


@cache
def _template() -> Template:
    loader = PackageLoader("ci_metrics.report")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("verdict.html")
