"""`ci-metrics report`: the HTML report.

Belongs here: options, where the file goes. Does not: the report (`ci_metrics.report.page`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ci_metrics.commands.open_index import cause_store, no_garbage, reading_index
from ci_metrics.errors import NotFoundError, PermanentError
from ci_metrics.history.search import repositories
from ci_metrics.history.time_range import asked_window
from ci_metrics.index.runner_prices import load_runner_prices
from ci_metrics.report.page import build_report, render_page
from ci_metrics.report.readable import minutes, percent, readable_number
from ci_metrics.settings import load_settings


def report(*, from_: str | None = None, to: str | None = None, repo: str = "", out: Path | None = None) -> None:
    """Make one HTML file of what failed, why, and what it cost. It needs no network to be read.

    Parameters
    ----------
    from_
        Start: 2026-11-20, 2026-11-20T05:30 (UTC), or 36h, 7d, 2w before now. Default: the
        last four weeks in the index.
    to
        End, written the same way; a date alone means its whole day, an hour alone its
        whole hour. Default: now.
    repo
        Only this repository, owner/name, in which * and ? may stand; several separated by commas.
    out
        The file. Default: report.html beside the data under CI_METRICS_HOME.
    """
    now = datetime.now(UTC)
    settings = load_settings()
    window = asked_window(from_, to, now)
    with no_garbage(), reading_index(settings) as index:
        made = build_report(
            index,
            now,
            window=window,
            repos=repositories(index, repo),
            records=cause_store(settings, index).in_force(),
            prices=load_runner_prices(settings.runner_prices_file),
        )
    figures = made.figures
    if not figures.jobs:
        newest = (
            f": the newest job that the index holds ended on {made.newest:%Y-%m-%d %H:%M} UTC" if made.newest else ""
        )
        raise NotFoundError(
            f"no job of {figures.window} has passed or failed{newest}. Ask for another stretch with --from and --to; "
            "no report was written"
        )
    file = (out or settings.data_dir / "report.html").absolute()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render_page(made), encoding="utf-8")
    except OSError as error:
        raise PermanentError(f"cannot write {file}: {error.strerror}. Choose another file with --out") from error
    print(
        f"{figures.window}: {readable_number(figures.failed)} of {readable_number(figures.jobs)} jobs failed ({percent(figures.rate)}), "
        f"{minutes(figures.lost)} lost, {readable_number(sum(cause.group is not None for cause in made.causes))} causes"
    )
    print(f"Report: {file.as_uri()}")
