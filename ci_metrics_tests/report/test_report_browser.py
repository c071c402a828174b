"""The report in a real browser: what is drawn, asked, said to screen readers, on a
desk, a phone and in the dark.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.report.page import build_report, render_page
from ci_metrics_tests.report.corpus import END, corpus, hostile_corpus

pytestmark = pytest.mark.browser

#: Without these Chromium itself asks the network for updates and the like.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(program).exists():
        reason = f"no Chromium at {program}: install it, or name one in CHROMIUM"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=QUIET)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A month, and a day on which every string is an attack, as files."""
    folder = tmp_path_factory.mktemp("report")
    made = {}
    for name, documents in (("month", corpus()), ("hostile", hostile_corpus())):
        index = EmbeddedIndex(folder / f"{name}.sqlite")
        index.upsert(documents)
        made[name] = folder / f"{name}.html"
        made[name].write_text(render_page(build_report(index, END - timedelta(hours=1))), encoding="utf-8")
        index.close()
    return made


class _Watched:
    """A page, what it asked for and what it complained of."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(file.as_uri())


VIEWS: dict[str, dict[str, Any]] = {
    "desk": {"viewport": {"width": 1200, "height": 900}},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 760}, "is_mobile": True, "device_scale_factor": 2},
    "dark phone": {"viewport": {"width": 360, "height": 760}, "is_mobile": True, "color_scheme": "dark"},
}


@pytest.mark.parametrize("view", VIEWS)
def test_charts_are_drawn_nothing_is_asked_and_nothing_overflows(
    browser: Browser, pages: dict[str, Path], view: str
) -> None:
    context = browser.new_context(**VIEWS[view])
    watched = _Watched(context.new_page(), pages["month"])
    page = watched.page
    assert watched.complaints == []
    assert watched.asked == [pages["month"].as_uri()]
    charts = page.locator("figure > svg:visible")
    assert charts.count() == 5
    for place in range(5):
        box = charts.nth(place).bounding_box()
        assert box is not None
        assert box["height"] > 60
        assert charts.nth(place).locator("path, rect, line").count() >= 10
        assert len(charts.nth(place).locator("> title").text_content() or "") > 30
        labels = [text.bounding_box() for text in charts.nth(place).locator("text:visible").all()]
        assert all(each is not None and 0 <= each["x"] <= box["x"] + box["width"] for each in labels)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    context.close()


@pytest.mark.parametrize("view", ["desk", "dark"])
def test_text_and_charts_have_enough_contrast(browser: Browser, pages: dict[str, Path], view: str) -> None:
    context = browser.new_context(**VIEWS[view])
    page = _Watched(context.new_page(), pages["month"]).page
    colours = page.evaluate(
        """() => {
            const style = getComputedStyle(document.documentElement);
            const names = ["--card", "--bg", "--ink", "--muted", "--accent", "--bad", "--good", "--warn", "--warn-bg"];
            return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name).trim()]));
        }"""
    )
    pairs = [
        (text, ground) for text in ("--ink", "--muted", "--accent", "--bad", "--good") for ground in ("--card", "--bg")
    ]
    low = {pair: ratio for pair in [*pairs, ("--warn", "--warn-bg")] if (ratio := _contrast(colours, *pair)) < 4.5}
    assert low == {}
    bar = page.locator("figure svg rect.accent").first
    assert bar.evaluate("(element) => getComputedStyle(element).fill") not in ("rgb(0, 0, 0)", "none")
    context.close()


def test_a_number_leads_to_its_failures_and_back(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    page = _Watched(context.new_page(), pages["month"]).page
    rows = page.locator("#failure-list > li:visible")
    every = page.locator("#failure-list > li").count()
    assert rows.count() == 25 < every
    page.get_by_role("button", name=f"Show all {every}").click()
    assert rows.count() == every
    link = page.locator("#categories a[data-filter='type=timeout']")
    expected = int(link.inner_text())
    link.click()
    assert rows.count() == expected
    assert page.url.endswith("#failures?type=timeout")
    assert f"{expected} of {every} shown" in page.locator("#failure-note").inner_text()
    page.get_by_label("Filter the failures by words").fill("checkout soak")
    assert 0 < rows.count() < expected
    page.get_by_role("button", name="Show all", exact=True).click()
    assert rows.count() == every
    page.reload()
    page.goto(pages["month"].as_uri() + "#failures?type=timeout")
    page.reload()
    assert rows.count() == expected
    context.close()


def test_a_bar_leads_to_the_failures_of_its_day(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    page = _Watched(context.new_page(), pages["month"]).page
    page.locator("#time section:last-child svg [data-filter]").nth(3).click()
    page.wait_for_url(re.compile(r"#failures\?when="), timeout=5_000)
    day = page.url.rpartition("=")[2]
    rows = page.locator("#failure-list > li:visible")
    assert rows.count() > 0
    assert {rows.nth(place).get_attribute("data-when") for place in range(rows.count())} == {day}
    context.close()


def test_everything_has_a_name_and_a_place_for_screen_readers(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    page = _Watched(context.new_page(), pages["month"]).page
    nameless = page.evaluate(
        """() => Array.from(document.querySelectorAll("a[href]:not([tabindex='-1']), button, input, summary"))
            .filter((element) => !(element.innerText || element.textContent || element.getAttribute("aria-label") || "").trim())
            .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    headings = page.evaluate("() => Array.from(document.querySelectorAll('h1,h2,h3')).map((h) => Number(h.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    tree = page.locator("body").aria_snapshot()
    for said in ("main", "navigation", "heading", 'img "Failure rate over time', "searchbox", "table"):
        assert said in tree
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    context.close()


def test_hostile_strings_are_text_and_run_nothing(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    watched = _Watched(context.new_page(), pages["hostile"])
    page = watched.page
    assert page.evaluate("window.hacked") is None
    assert watched.complaints == []
    assert watched.asked == [pages["hostile"].as_uri()]
    assert "<script>window.hacked=1</script>" in page.locator("main").inner_text()
    links = page.locator("#causes a[data-filter]")
    for place in range(links.count()):
        expected = int(links.nth(place).inner_text())
        links.nth(place).evaluate("(link) => link.click()")
        assert page.locator("#failure-list > li:visible").count() == expected
    assert page.evaluate("window.hacked") is None
    context.close()


def test_without_scripts_all_lists_can_be_read(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False, **VIEWS["phone"])
    page = context.new_page()
    page.goto(pages["month"].as_uri())
    assert page.locator("#failure-list > li:visible").count() == page.locator("#failure-list > li").count() > 100
    assert not page.locator("#failure-words").is_visible()
    context.close()


def _contrast(colours: dict[str, str], text: str, ground: str) -> float:
    light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
