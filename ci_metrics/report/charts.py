"""The report's charts, drawn as SVG when the report is made, so that the page needs
no script and no network.

What belongs here: what each chart shows and how it is drawn. Does not: numbers
(`history/figures.py`), colours (`report.css`).

One drawing serves a desk and a phone: across, everything stands in percent of the width, so that
the browser stretches the chart and no letter with it. Down, everything is in pixels. Colours are
CSS variables: a chart is light or dark with the page. Every text is escaped where its element is
made (`_element`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from ci_metrics.history.figures import Bucket, Figures, Queue
from ci_metrics.history.time_range import Window
from ci_metrics.report.readable import day, hour, minutes, percent, spoken

#: Pixels of the plotted part of a chart, and below it for the labels of the axis.
HIGH, LOW, LABELS = 180, 130, 22

#: Pixels of a chart across: in half a row on a desk, in a whole row, on a phone. They
#: say how many labels fit.
HALF, WIDE, PHONE = 430, 950, 290

#: Pixels that a label of the time axis needs.
LABEL = 52

#: With fewer buckets than this a bar is as wide as if there were so many: one bar is no wall.
FEWEST_COLUMNS = 8

#: The part of a column that its bar fills.
FILLED = 0.78

#: How many category colours the style sheet has (`--k0` …); the last one is
#: for what has no category.
COLOURS = 12

#: Width and height of a cause's little chart, pixels.
SPARK = (120, 24)

#: A value -> its height above the axis, in pixels.
_Rise = Callable[[float], float]


def colour_of(types: Sequence[str], name: str) -> int:
    """The number of a category's colour: its place, so that it is the
    same everywhere on the page.
    """
    return types.index(name) % (COLOURS - 1) if name in types else COLOURS - 1


def span(window: Window, start: datetime) -> str:
    """What shows the failures of the bucket that begins at `start`, as `filters.FILTERS` names
    it: from and to, both included.
    """
    if window.step == "hour":
        return f"from={hour(start)}&to={hour(start)}"
    return f"from={day(start)}&to={day(start + timedelta(days=6 if window.step == 'week' else 0))}"


def failure_rate(figures: Figures) -> Markup:
    """Failed jobs as a share of those that passed or failed, over time: a
    line with a point a bucket.
    """
    known = [(place, bucket) for place, bucket in enumerate(figures.buckets) if bucket.rate is not None]
    most = max((bucket.rate or 0 for _, bucket in known), default=0)
    columns = _columns(figures)

    def draw(rise: _Rise) -> Iterable[Markup]:
        points = [(place + 0.5, HIGH - rise(bucket.rate or 0)) for place, bucket in known]
        path = " L".join(f"{x:g} {y:.1f}" for x, y in points)
        if len(points) > 1:
            area = f"M{points[0][0]:g} {HIGH} L{path} L{points[-1][0]:g} {HIGH}Z"
            # A drawing within the drawing: only here the lines, not the letters, are stretched.
            yield _element(
                "svg", _element("path", d=area, class_="area"), _element("path", d=f"M{path}", class_="line"),
                viewBox=f"0 0 {columns} {HIGH}", preserveAspectRatio="none", width="100%", height=HIGH,
            )  # fmt: skip
        for x, y in points:
            yield _element("circle", cx=_percent(x / columns), cy=f"{y:.1f}", r="3", class_="bad")

    says = {
        place: f"{percent(b.rate)}: {b.failed} of {b.failed + b.passed} jobs failed"
        for place, b in enumerate(figures.buckets)
    }
    title = f"Failure rate over time, {figures.window}: {percent(figures.rate)} overall, at most {percent(most)}"
    return _over_time("rate", title, figures, most, says, draw, write=lambda part: f"{part:.0%}".replace("%", " %"))


def failures_by_category(figures: Figures, types: Sequence[str]) -> Markup:
    """Failed jobs over time, stacked by category; what has none is on top."""
    order = {kind: place for place, kind in enumerate(types)}

    def stacked(bucket: Bucket) -> list[tuple[str, int]]:
        return sorted(bucket.by_type.items(), key=lambda item: (order.get(item[0], len(order)), item[0]))

    def draw(rise: _Rise) -> Iterable[Markup]:
        for place, bucket in enumerate(figures.buckets):
            below = 0
            for kind, count in stacked(bucket):
                fill = f"var(--k{colour_of(types, kind)})"
                yield _bar(figures, place, rise(below), rise(below + count), fill=fill, class_="part")
                below += count

    says = {
        place: "\n".join((f"{b.failed} failed", *(f"{n} {spoken(kind)}" for kind, n in stacked(b))))
        for place, b in enumerate(figures.buckets)
    }
    title = f"Failed jobs over time by category, {figures.window}: {figures.failed} in all"
    most = max((bucket.failed for bucket in figures.buckets), default=0)
    return _over_time("kinds", title, figures, most, says, draw, high=HIGH + 40, wide=WIDE, whole=True)


def lost_minutes(figures: Figures) -> Markup:
    """Minutes of failed attempts and of re-runs, over time."""
    unit, word = _unit(max((bucket.lost for bucket in figures.buckets), default=0))
    title = f"Time lost to failures over time, {figures.window}: {minutes(figures.lost)} in all"
    values = [bucket.lost / unit for bucket in figures.buckets]
    says = {place: f"{minutes(bucket.lost)} lost" for place, bucket in enumerate(figures.buckets)}
    return _bars("lost", title, figures, values, says, write=lambda value: f"{value:g} {word}")


def model_spend(figures: Figures) -> Markup:
    """US dollars paid for verdicts, over time."""
    title = f"Model spend over time, {figures.window}: ${figures.spend.cost:.2f} in all"
    values = [bucket.cost for bucket in figures.buckets]
    says = {place: f"${bucket.cost:.4f}" for place, bucket in enumerate(figures.buckets)}
    return _bars("spend", title, figures, values, says, write=lambda value: f"${value:g}", high=LOW)


def queue_times(queues: Sequence[Queue]) -> Markup:
    """Median and 90th percentile of waiting, a bar each pool of runners,
    the pool's name above it.
    """
    row, most = 38, max((queue.p90 for queue in queues), default=0)
    unit, word = _unit(most)
    ticks = _ticks(most / unit)
    high = row * len(queues)
    shapes: list[Markup] = []
    for tick in ticks:
        at = _percent(tick / ticks[-1])
        anchor = "end" if tick == ticks[-1] else "middle" if tick else "start"
        shapes.append(_element("line", x1=at, x2=at, y1=0, y2=high, class_="grid"))
        shapes.append(_element("text", f"{tick:g} {word}", x=at, y=high + 16, text_anchor=anchor))
    for place, queue in enumerate(queues):
        says = f"{queue.name}: half within {minutes(queue.median)}, 90 % within {minutes(queue.p90)}"
        scale, top = ticks[-1] * unit, place * row
        shapes.append(
            _element(
                "g",
                _element("title", says),
                _element("text", queue.name, x=0, y=top + 13, class_="pool"),
                _element("rect", x=0, y=top + 18, width=_percent(queue.p90 / scale), height=14, fill="var(--soft)"),
                _element("rect", x=0, y=top + 22, width=_percent(queue.median / scale), height=6, class_="accent"),
            )
        )
    title = "Waiting for a runner: " + "; ".join(
        f"{queue.name}: half within {minutes(queue.median)}, 90 % within {minutes(queue.p90)}" for queue in queues
    )
    return _chart("queue", title, high + LABELS, shapes, class_="plot flat")


def spark(counts: Sequence[int]) -> Markup:
    """Bars as high as the counts, to stand in a line of text that says what they show."""
    width, height = SPARK
    most, each = max(counts, default=0) or 1, width / max(len(counts), 1)
    thick = f"{max(each - 1, 0.8):.1f}"
    bars = "".join(  # nothing but numbers, and a page has thousands
        f'<rect x="{place * each:.1f}" y="{height - high:.1f}" width="{thick}" height="{high:.1f}"></rect>'
        for place, count in enumerate(counts)
        if (high := count / most * (height - 1))
    )
    ground = _element("line", x1=0, x2=width, y1=height, y2=height)
    return _element("svg", ground, Markup(bars), class_="spark", width=width, height=height, aria_hidden="true")


def _bars(
    name: str,
    title: str,
    figures: Figures,
    values: Sequence[float],
    says: dict[int, str],
    *,
    write: Callable[[float], str],
    high: int = HIGH,
) -> Markup:
    def draw(rise: _Rise) -> Iterable[Markup]:
        for place, value in enumerate(values):
            if value:
                yield _bar(figures, place, 0, rise(value), high=high, class_="accent")

    return _over_time(name, title, figures, max(values, default=0), says, draw, write=write, high=high)


def _over_time(
    name: str,
    title: str,
    figures: Figures,
    most: float,
    says: dict[int, str],
    draw: Callable[[_Rise], Iterable[Markup]],
    *,
    write: Callable[[float], str] = "{:g}".format,
    high: int = HIGH,
    wide: int = HALF,
    whole: bool = False,
) -> Markup:
    """A chart over the buckets of a stretch: grid, axis, what is drawn, and over each bucket
    what it `says` to the mouse.
    """
    ticks = _ticks(most, whole=whole)

    def rise(value: float) -> float:
        return value / ticks[-1] * high

    shapes: list[Markup] = []
    for tick in ticks:
        y = f"{high - rise(tick):.1f}"
        shapes.append(_element("line", x1=0, x2="100%", y1=y, y2=y, class_="grid"))
        shapes.append(_element("text", write(tick), x=-6, y=y, dy="0.32em", text_anchor="end"))
    shapes += _time_labels(figures, high + 16, wide)
    shapes += draw(rise)
    columns = _columns(figures)
    for place, bucket in enumerate(figures.buckets):
        said = _element("title", f"{figures.window.label(bucket.start)}: {says[place]}")
        column = _element("rect", x=_percent(place / columns), y=0, width=_percent(1 / columns), height=high)
        filters = {"data_filter": span(figures.window, bucket.start)} if bucket.failed else {}
        shapes.append(_element("g", said, column, class_="column", **filters))
    return _chart(name, title, high + LABELS, shapes, class_="plot")


def _chart(name: str, title: str, height: int, shapes: Iterable[Markup], *, class_: str) -> Markup:
    """To screen readers a chart is one picture with a name: the tables beside it have
    the numbers and the links.
    """
    heading = _element("title", title, id=f"chart-{name}")
    more = _element("desc", "The tables beside the chart have the same numbers, with links to the failures.")
    named = {"aria_labelledby": f"chart-{name}"}
    return _element("svg", heading, more, *shapes, role="img", height=height, class_=class_, **named)


def _bar(figures: Figures, place: int, low: float, top: float, *, high: int = HIGH + 40, **look: str) -> Markup:
    """A bar in a bucket's column, from `low` to `top` pixels above the axis of
    a plot `high` pixels high.
    """
    columns = _columns(figures)
    left, width = (place + (1 - FILLED) / 2) / columns, FILLED / columns
    y, height = f"{high - top:.1f}", f"{top - low:.1f}"
    return _element("rect", x=_percent(left), y=y, width=_percent(width), height=height, **look)


def _time_labels(figures: Figures, y: int, wide: int) -> Iterable[Markup]:
    """As many labels as fit; on a phone the style sheet hides those of class `sparse`."""
    count, columns = len(figures.buckets), _columns(figures)
    every = max(1, math.ceil(columns * LABEL / wide))
    on_phone = every * max(1, math.ceil(columns * LABEL / PHONE / every))
    for place in range(0, count, every):
        tick = figures.window.tick(figures.buckets[place].start)
        look = {"class_": "sparse"} if place % on_phone else {}
        yield _element("text", tick, x=_percent((place + 0.5) / columns), y=y, text_anchor="middle", **look)


def _columns(figures: Figures) -> int:
    return max(len(figures.buckets), FEWEST_COLUMNS)


def _ticks(most: float, *, whole: bool = False) -> list[float]:
    """Round values from 0 to at least `most`, at most five: steps of 1, 2, 2.5
    or 5 times a power of ten.
    """
    if most <= 0:
        return [0, 1]
    power = 10 ** math.floor(math.log10(most / 4))
    step = next(power * times for times in (1, 2, 2.5, 5, 10) if most / (power * times) <= 4)
    step = max(1, math.ceil(step)) if whole else step
    return [round(step * n, 10) for n in range(math.ceil(round(most / step, 6)) + 1)]


def _unit(seconds: float) -> tuple[int, str]:
    """Seconds in the unit that keeps the axis of a time short, and its name."""
    return (1, "s") if seconds < 180 else (60, "min") if seconds < 5 * 3600 else (3600, "h")


def _percent(part: float) -> str:
    return f"{100 * part:.3f}".rstrip("0").rstrip(".") + "%"


def _element(name: str, *children: str, **attributes: object) -> Markup:
    """One element; its texts and attributes are escaped. In names of attributes `_` stands for
    `-`, a last one for none.
    """
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{Markup().join(children)}</{name}>")
