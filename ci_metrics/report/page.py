"""The report as one HTML file: no network, readable on a phone and in the dark,
every string from CI escaped.

What belongs here: assembling a `Report` and rendering the templates. Does not: counting
(`history/`), drawing (`charts.py`), wording (`tiles.py`, `causes.py`).

What jinja2 is given as markup is the style sheet and the script, made here, the charts
(`charts.py`) and the failures' rows (`failure_rows.py`). All else is text and is escaped; addresses
become links only when they are http(s).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from ci_metrics import __version__
from ci_metrics.history.cause_states import CauseRecords
from ci_metrics.history.cause_whereabouts import whereabouts
from ci_metrics.history.failing_tests import DENOMINATOR, FailedTest, failing_tests
from ci_metrics.history.failures import web_url
from ci_metrics.history.figures import Figures, Totals
from ci_metrics.history.fix_first import Fix, fixes
from ci_metrics.history.flakiest import Flakiest
from ci_metrics.history.job_counts import totals
from ci_metrics.history.money import dearest
from ci_metrics.history.story import read_story
from ci_metrics.history.stretch import Stretch
from ci_metrics.history.time_range import Window, default_window, newest_document
from ci_metrics.index.document_index import DocumentIndex
from ci_metrics.index.runner_prices import RunnerPrices, load_runner_prices
from ci_metrics.report import charts, readable
from ci_metrics.report.causes import ShownCause, count_states, history_is_young, show_causes
from ci_metrics.report.failure_rows import failure_row
from ci_metrics.report.filters import Values, job_name
from ci_metrics.report.fixes import issue_text, responsible, standing_in_words
from ci_metrics.report.story import Sentence, story
from ci_metrics.report.tiles import notices, tiles

#: What is shown of long lists. The rest is one `ci-metrics search` or `ci-metrics top`
#: away, and the page says so.
MOST_FLAKY = 25
MOST_FIXES = 5
MOST_TESTS = 25
MOST_RUNNERS = 20
MOST_QUEUES = 8
MOST_WORKFLOWS = 100
MOST_LISTED = 10_000

#: Causes before the click that shows more: each is a stop of the Tab key.
FIRST_CAUSES = 15

_DAY = timedelta(days=1)


#: Causes, most frequent first, of which it is looked up where they stand.
MOST_WHEREABOUTS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything the page shows."""

    figures: Figures
    before: Totals | None  # of the equally long stretch before; None when history does not reach back so far
    story: tuple[Sentence, ...]  # the answer in sentences (`templates/story.html`)
    causes: tuple[ShownCause, ...]
    flaky: Flakiest
    newest: datetime | None  # the newest job's end, in or after the stretch
    history_begins: datetime | None
    location: str  # of the index; passwords masked
    now: datetime
    fixes: tuple[Fix, ...]
    ignored: int  # causes that people want to see later
    tests: tuple[FailedTest, ...]
    prices: RunnerPrices


def build_report(
    index: DocumentIndex,
    now: datetime,
    *,
    window: Window | None = None,
    repos: Sequence[str] = (),
    records: CauseRecords | None = None,
    prices: RunnerPrices | None = None,
) -> Report:
    """Read the index. `window` None: the last four weeks that it knows of. `records`: what people
    said of causes; `prices`: of runners, the shipped list unless given.
    """
    records = records or CauseRecords()
    window = window or default_window(index, now, repos)
    stretch = Stretch(index, window, repos, whole=True)
    figures, found, begins = stretch.figures, stretch.groups, stretch.history_begins
    before = totals(index, window.before, repos) if begins and begins < window.before.start + _DAY else None
    kept = records.shown(found, now)
    ids = {group.id for group in kept}
    ordered = [*kept, *(group for group in found if group.id not in ids)]  # none vanishes
    looked_at = [group.id for group in ordered[:MOST_WHEREABOUTS]]
    causes = show_causes(ordered, figures, whereabouts(index, looked_at, failures=stretch.failures))
    told = read_story(
        index, figures, kept, stretch.flaky, repos=repos, history_begins=begins, failures=stretch.failures
    )
    return Report(
        figures=figures,
        before=before,
        story=tuple(story(told)),
        causes=causes,
        flaky=stretch.flaky,
        newest=newest_document(index),
        history_begins=begins,
        location=index.location,
        now=now,
        fixes=tuple(fixes(index, kept, records, now, MOST_FIXES, failures=stretch.failures)),
        ignored=len(found) - len(kept),
        tests=tuple(failing_tests(index, stretch.where, documents=stretch.documents)),
        prices=prices or load_runner_prices(),
    )


def render_page(report: Report) -> str:
    """The whole page."""
    figures = report.figures
    types = [row.name for row in figures.types]
    script = _template_text("script.html").strip()
    body = script.removeprefix("<script>").removesuffix("</script>")
    queues = figures.queues[:MOST_QUEUES]
    young = history_is_young(report.history_begins, figures.window)
    values, numbers = Values.among(report.causes, figures.failures[:MOST_LISTED])
    page = (
        _environment(types, figures.window)
        .get_template("report.html")
        .render(
            f=figures,
            css=Markup(_template_text("report.css")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(body.encode()).digest()).decode(),
            tiles=tiles(figures, report.before, report.causes, report.flaky, young=young),
            notices=notices(figures, report.newest, report.now),
            charts={
                "rate": charts.failure_rate(figures),
                "lost": charts.lost_minutes(figures),
                "kinds": charts.failures_by_category(figures, types),
                "queue": charts.queue_times(queues) if queues else None,
                "spend": charts.model_spend(figures) if figures.spend.asked else None,
            },
            story=report.story,
            fixes=report.fixes,
            ignored=report.ignored,
            cause_numbers={cause.group.id: cause.number for cause in report.causes if cause.group},
            causes=report.causes,
            first_causes=FIRST_CAUSES,
            values=values,
            numbers=numbers,
            tests=report.tests[:MOST_TESTS],
            tests_known=len(report.tests),
            denominator=DENOMINATOR,
            prices=report.prices,
            money={
                "total": figures.money.total,
                "lost": figures.lost_usd,
                "tables": [
                    (title, dearest(costs.values())[:MOST_RUNNERS])
                    for title, costs in (
                        ("labels", figures.money.by_labels),
                        ("workflow", figures.money.by_workflow),
                        ("repository", figures.money.by_repo),
                    )
                ],
            },
            history_is_young=young,
            history_begins=report.history_begins,
            flaky=report.flaky,
            most_flaky=MOST_FLAKY,
            queues=queues,
            workflows=figures.workflows[:MOST_WORKFLOWS],
            states=count_states(figures),
            newest=report.newest,
            location=report.location,
            now=report.now,
            version=__version__,
        )
    )
    return _UNSEEN.sub("\N{MIDDLE DOT}", page)


def _environment(types: Sequence[str], window: Window) -> Environment:
    environment = Environment(
        loader=PackageLoader("ci_metrics.report"),
        extensions=["jinja2.ext.do"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    filters: dict[str, Callable[..., Any]] = {
        "minutes": readable.minutes,
        "percent": readable.percent,
        "dollars": readable.dollars,
        "number": readable.readable_number,
        "counted": readable.counted,
        "failures_in_runs": readable.failures_in_runs,
        "moment": readable.moment,
        "spoken": readable.spoken,
        "some": readable.some,
        "cut": readable.cut,
        "telling": readable.telling,
        "day": readable.day,
        "hour": readable.hour,
        "minute": readable.minute,
        "span": lambda start: charts.span(window, start),
        "colour": lambda name: charts.colour_of(types, name),
        "linked": _linked,
        "whose": responsible,
        "standing_in_words": standing_in_words,
        "issue": _issue,
    }
    environment.filters.update(filters)
    environment.globals |= {"job_name": job_name, "failure_row": failure_row}
    return environment


def _issue(fix: Fix) -> str:
    text = issue_text(fix)
    return f"{text['title']}\n\n{text['body']}"


def _linked(text: str, url: str) -> Markup:
    """The text, as a link where the address is http(s)."""
    safe = web_url(url)
    if not safe:
        return escape(text)
    return Markup('<a href="{}" rel="noopener noreferrer" target="_blank">{}</a>').format(safe, text)


#: Control characters, and marks that turn the direction of writing, by what is shown for them.
_UNSEEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069]")


@cache
def _template_text(name: str) -> str:
    return files("ci_metrics.report").joinpath("templates", name).read_text(encoding="utf-8")
