"""The report's charts: drawn by Altair and vl-convert when the report is made, so that the page needs no script and no network.

What belongs here: what each chart shows. Does not: numbers (`history/figures.py`), colours and markup (`svg.py`).

Each chart is drawn twice, for a desk and for a phone: a wide one scaled down to a phone would have unreadable labels.
A drawing costs some 15 kB where Vega's own scripts would cost 800.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import vl_convert as vlc

from ci_metrics.history.figures import Bucket, Figures, Queue
from ci_metrics.history.time_range import Window
from ci_metrics.report.formats import hour, minutes, percent
from ci_metrics.report.svg import fit_for_page

#: Pixels of a whole row, of half a row, and of a phone.
WIDE, HALF, NARROW = 996, 468, 316

#: Pixels that a label on the time axis needs.
_LABEL = 52

#: How many category colours the style sheet has.
COLOURS = 12

_INK, _LINE, _BAD, _ACCENT, _SOFT, _CARD = (f"#00000{digit}" for digit in "123456")
_VARIABLES = {_INK: "--muted", _LINE: "--line", _BAD: "--bad", _ACCENT: "--accent", _SOFT: "--soft", _CARD: "--card"}
_KINDS = [f"#0001{n:02x}" for n in range(COLOURS)]
_VARIABLES |= {colour: f"--k{n}" for n, colour in enumerate(_KINDS)}

_Draw = Callable[[int], alt.TopLevelMixin]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart, twice: markup that is safe to put into the page as it is."""

    wide: str
    narrow: str


def colour_of(types: Sequence[str], name: str) -> int:
    """The number of a category's colour (style sheet: `--k0` …): its place, so that it is the same everywhere on the page."""
    return types.index(name) % (COLOURS - 1) if name in types else COLOURS - 1


def failure_rate(figures: Figures) -> Chart:
    """Failed jobs as a share of those that passed or failed, over time."""
    rows = [
        {**_at(bucket), "rate": bucket.rate, "what": _rate_words(figures.window, bucket)}
        for bucket in figures.buckets
        if bucket.rate is not None
    ]
    most = max((float(row["rate"]) for row in rows), default=0)
    label = f"Failure rate over time, {figures.window}: {percent(figures.rate)} overall, at most {percent(most)}"

    def draw(width: int) -> alt.TopLevelMixin:
        base = alt.Chart(alt.InlineData(rows)).encode(
            x=_x(figures, width),
            y=alt.Y("rate:Q", title=None, axis=alt.Axis(format="%", tickCount=4), scale=alt.Scale(domainMin=0)),
        )
        area = base.mark_area(color=_BAD, opacity=0.14, interpolate="monotone", aria=False)
        line = base.mark_line(color=_BAD, strokeWidth=2, interpolate="monotone", aria=False)
        dots = base.mark_point(color=_BAD, filled=True, fill=_BAD, size=34, opacity=1).encode(
            href="href:N", description="what:N"
        )
        return _sized(alt.layer(area, line, dots), width, 190)

    return _chart("rate", label, draw)


def failures_by_category(figures: Figures, types: Sequence[str]) -> Chart:
    """Failed jobs over time, stacked by category; what has none is last."""
    rows = [
        {**_at(b), "n": n, "kind": kind, "what": f"{figures.window.label(b.start)}: {n} {kind}"}
        for b in figures.buckets
        for kind, n in b.by_type.items()
    ]
    label = f"Failed jobs over time by category, {figures.window}: {figures.failed} in all"
    return _stacked("kinds", label, figures, rows, types)


def lost_minutes(figures: Figures) -> Chart:
    """Minutes of failed attempts and of re-runs, over time."""
    rows = [
        {
            **_at(b),
            "n": b.lost / 60,
            "what": f"{figures.window.label(b.start)}: {minutes(b.lost)} lost",
        }
        for b in figures.buckets
    ]
    label = f"Time lost to failures over time, {figures.window}: {minutes(figures.lost)} in all"
    return _bars("lost", label, figures, rows, _ACCENT, "minutes")


def model_spend(figures: Figures) -> Chart:
    """US dollars paid for verdicts, over time."""
    rows = [{**_at(b), "n": b.cost, "what": f"{figures.window.label(b.start)}: ${b.cost:.4f}"} for b in figures.buckets]
    label = f"Model spend over time, {figures.window}: ${figures.spend.cost:.2f} in all"
    return _bars("spend", label, figures, rows, _ACCENT, "US dollars", height=150)


def queue_times(queues: Sequence[Queue]) -> Chart:
    """Median and 90th percentile of waiting, per pool of runners."""
    seconds = max((q.p90 for q in queues), default=0) < 180
    rows = [
        {
            "pool": q.name,
            "kind": kind,
            "n": value if seconds else value / 60,
            "what": f"{q.name}: {kind} {minutes(value)}",
        }
        for q in queues
        for kind, value in (("median", q.median), ("90 %", q.p90))
    ]
    label = "Waiting for a runner: " + "; ".join(
        f"{q.name}: half within {minutes(q.median)}, 90 % within {minutes(q.p90)}" for q in queues
    )

    def draw(width: int) -> alt.TopLevelMixin:
        y = alt.Y(
            "pool:N",
            title=None,
            sort=[q.name for q in queues],
            axis=alt.Axis(labelLimit=width // 3, ticks=False, domain=False, grid=False),
        )
        base = alt.Chart(alt.InlineData(rows)).encode(
            x=alt.X("n:Q", title="seconds" if seconds else "minutes", axis=alt.Axis(tickCount=4)),
            y=y,
            description="what:N",
        )
        p90 = base.mark_bar(color=_SOFT, height=14).transform_filter("datum.kind == '90 %'")
        median = base.mark_bar(color=_ACCENT, height=6).transform_filter("datum.kind == 'median'")
        return _sized(alt.layer(p90, median), width, 44 + 34 * len(queues))

    return _chart("queue", label, draw, WIDE)


def _bars(
    name: str, label: str, figures: Figures, rows: list[dict[str, Any]], colour: str, title: str, height: int = 190
) -> Chart:

    def draw(width: int) -> alt.TopLevelMixin:
        chart = (
            alt.Chart(alt.InlineData(rows))
            .mark_bar(color=colour)
            .encode(
                x=_x(figures, width),
                y=alt.Y("n:Q", title=title, axis=alt.Axis(tickCount=4)),
                href="href:N",
                description="what:N",
            )
        )
        return _sized(chart, width, height)

    return _chart(name, label, draw)


def _stacked(name: str, label: str, figures: Figures, rows: list[dict[str, Any]], types: Sequence[str]) -> Chart:
    kinds = sorted({str(row["kind"]) for row in rows}, key=lambda kind: (kind not in types, _place(types, kind), kind))
    colours = [_KINDS[colour_of(types, kind)] for kind in kinds]
    for row in rows:
        row["place"] = kinds.index(str(row["kind"]))

    def draw(width: int) -> alt.TopLevelMixin:
        chart = (
            alt.Chart(alt.InlineData(rows))
            .mark_bar(stroke=_CARD, strokeWidth=0.7)
            .encode(
                x=_x(figures, width),
                y=alt.Y("sum(n):Q", title="failed jobs", axis=alt.Axis(tickCount=4, format="d"), stack="zero"),
                color=alt.Color("kind:N", legend=None, scale=alt.Scale(domain=kinds, range=colours)),
                order="place:Q",
                href="href:N",
                description="what:N",
            )
        )
        return _sized(chart, width, 230)

    return _chart(name, label, draw, WIDE)


def _place(types: Sequence[str], kind: str) -> int:
    return types.index(kind) if kind in types else len(types)


def _at(bucket: Bucket) -> dict[str, Any]:
    """A bucket's place on the axis, and the link to its failures."""
    return {"x": hour(bucket.start), "href": f"#failures?when={hour(bucket.start)}"}


def _rate_words(window: Window, bucket: Bucket) -> str:
    of = bucket.failed + bucket.passed
    return f"{window.label(bucket.start)}: {percent(bucket.rate)} ({bucket.failed} of {of} jobs failed)"


def _x(figures: Figures, width: int) -> alt.X:
    """The time axis, as words: labels are UTC on every machine, and as many as fit."""
    window, starts = figures.window, [bucket.start for bucket in figures.buckets]
    order = [hour(start) for start in starts]
    every = max(1, -(-len(order) * _LABEL // width))
    labels = {hour(start): window.tick(start) for start in starts[::every]}
    axis = alt.Axis(
        values=list(labels),
        labelExpr=f"{json.dumps(labels)}[datum.value]",
        labelAngle=0,
        title=None,
        ticks=False,
        grid=False,
        labelOverlap=True,
    )
    return alt.X("x:O", sort=order, axis=axis, scale=alt.Scale(domain=order, paddingInner=0.25))


def _sized(chart: Any, width: int, height: int) -> alt.TopLevelMixin:
    sized: alt.TopLevelMixin = chart.properties(width=width, height=height)
    return sized


def _chart(name: str, label: str, draw: _Draw, wide: int = HALF) -> Chart:
    def svg(width: int) -> str:
        spec = draw(width).to_dict()
        spec["config"] = _CONFIG
        drawn = vlc.vegalite_to_svg(spec)
        return fit_for_page(drawn, name=f"{name}-{width}", label=label, colours=_VARIABLES)

    return Chart(svg(wide), svg(NARROW))


_CONFIG: Mapping[str, Any] = {
    "autosize": {"type": "fit", "contains": "padding"},
    "background": None,
    "padding": 4,
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK,
        "titleColor": _INK,
        "gridColor": _LINE,
        "domainColor": _LINE,
        "tickColor": _LINE,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "aria": False,
    },
    "axisY": {"domain": False, "ticks": False},
}
