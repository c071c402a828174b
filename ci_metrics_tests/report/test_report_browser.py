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
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from ci_metrics.index.document_index import Document
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
    """A month, the same with as many causes as branches, and a day on which every string is an
    attack, as files.
    """
    folder = tmp_path_factory.mktemp("report")
    made = {}
    for name, documents in (("month", corpus()), ("many", _many_causes()), ("hostile", hostile_corpus())):
        index = EmbeddedIndex(folder / f"{name}.sqlite")
        index.upsert(documents)
        made[name] = folder / f"{name}.html"
        made[name].write_text(render_page(build_report(index, END - timedelta(hours=1))), encoding="utf-8")
        index.close()
    return made


def _many_causes() -> list[Document]:
    documents = corpus()
    for document in documents:
        if "s_error_group" in document.body:
            document.body["s_error_group"] += f"-{document.body['s_branch']}"
    return documents


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


@pytest.mark.parametrize("name", ["many", "hostile"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(browser: Browser, pages: dict[str, Path], view: str, name: str) -> None:
    context = browser.new_context(**VIEWS[view], bypass_csp=True)  # axe is a script that the page forbids
    page = context.new_page()
    page.goto(pages[name].as_uri())
    page.locator("#cause-list > li:visible summary").first.click()
    page.evaluate("Array.from(document.querySelectorAll('details'), (each) => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["impact"], [node["html"] for node in rule["nodes"][:3]]) for rule in found] == []
    context.close()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("view", ["desk", "phone"])
def test_the_tab_key_reaches_the_end_in_some_tens_of_stops(
    browser: Browser, pages: dict[str, Path], view: str, scripts: bool
) -> None:
    context = browser.new_context(**VIEWS[view], java_script_enabled=scripts)
    page = context.new_page()
    page.goto(pages["many"].as_uri())
    stops, scrolled = page.evaluate(
        """() => {
            const shown = (selector) => Array.from(document.querySelectorAll(selector)).filter((each) => each.checkVisibility());
            const scrolls = (each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX !== "visible";
            return [
                shown("a[href], button, input, select, summary, [tabindex]").length,
                shown("main *:not(nav *, svg, svg *, thead, thead *)").filter(scrolls).map((each) => each.outerHTML.slice(0, 200)),
            ];
        }"""
    )
    assert 30 < stops < 100
    assert scrolled == []
    context.close()


def test_on_a_phone_every_column_is_there_with_its_name(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["phone"])
    page = _Watched(context.new_page(), pages["month"]).page
    page.evaluate("Array.from(document.querySelectorAll('details'), (each) => { each.open = true; })")
    lost = page.evaluate(
        """() => Array.from(document.querySelectorAll("td"))
            .filter((cell) => {
                const box = cell.getBoundingClientRect();
                return box.width < 1 || box.left < 0 || box.right > innerWidth + 0.5;
            })
            .map((cell) => cell.outerHTML)"""
    )
    assert lost == []
    tables = page.evaluate(
        """() => Array.from(document.querySelectorAll("table:has(thead)"), (table) => ({
            heads: Array.from(table.querySelectorAll("th"), (head) => head.textContent),
            rows: Array.from(table.tBodies[0].rows, (row) => Array.from(row.cells, (cell) => [
                cell.classList.contains("n"), getComputedStyle(cell, "::before").content,
            ])),
        }))"""
    )
    assert len(tables) > 5
    for table in tables:
        for row in table["rows"]:
            assert len(row) == len(table["heads"])
            said = [(head, content) for head, (number, content) in zip(table["heads"], row, strict=True) if number]
            assert said
            assert [content for head, content in said if head not in content] == []
    assert "cell" in page.locator("#workflows").aria_snapshot()
    context.close()


class _Causes:
    """The list of causes, as a person narrows and reads it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.form = page.locator("#filter")

    @property
    def failures(self) -> int:
        """How many failures the page says are left."""
        return int(re.split(r"\D", self._said())[0])

    @property
    def rows(self) -> list[dict[str, str]]:
        """The failures left, as their rows tell them."""
        return list(
            self.page.evaluate(
                """() => {
                    const list = document.getElementById("cause-list");
                    const values = Object.entries(JSON.parse(list.dataset.values));
                    return Array.from(list.querySelectorAll("li.cause:not([hidden]) .failures > li:not([hidden])"), (row) => ({
                        when: row.querySelector("time").dateTime,
                        ...Object.fromEntries(row.dataset.v.split(" ").map((n, at) => [values[at][0], values[at][1][n]])),
                    }));
                }"""
            )
        )

    def numbers(self, selector: str) -> list[str]:
        """What stands in each cause that is shown."""
        return self.page.locator(f"#cause-list > li:visible {selector}").all_inner_texts()

    def _said(self) -> str:
        return self.page.locator("#shown").inner_text()


def test_filters_combine_and_the_address_keeps_them(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    page = _Watched(context.new_page(), pages["month"]).page
    causes = _Causes(page)
    every = causes.failures
    assert len(causes.rows) == every > 100
    page.get_by_label("Repository", exact=True).select_option("acme/shop")
    shop = causes.rows
    assert {row["repo"] for row in shop} == {"acme/shop"}
    assert causes.failures == len(shop) < every
    page.get_by_label("Category", exact=True).select_option("timeout")
    both = causes.rows
    assert both == [row for row in shop if row["type"] == "timeout"] != []
    day = both[len(both) // 2]["when"][:10]
    page.get_by_label("From", exact=True).fill(day)
    page.get_by_label("To", exact=True).fill(f"{day}T23:59")
    assert causes.rows == [row for row in both if row["when"][:10] == day] != []
    assert f"repo=acme%2Fshop&type=timeout&from={day}&to={day}T23%3A59" in page.url
    page.get_by_label("From", exact=True).fill("yesterday")
    assert page.get_by_label("From", exact=True).get_attribute("aria-invalid") == "true"
    page.get_by_label("From", exact=True).fill("")
    page.get_by_label("To", exact=True).fill("")
    page.get_by_label("Branch", exact=True).select_option("main")
    narrowed = causes.rows
    assert narrowed == [row for row in both if row["branch"] == "main"] != []
    page.get_by_label("Words", exact=True).fill("CHECKOUT page")
    assert causes.rows == narrowed
    page.get_by_label("Words", exact=True).fill("no such words")
    assert causes.failures == 0
    page.get_by_label("Words", exact=True).fill("")
    linked = page.url
    page.get_by_role("button", name="Show all").click()
    assert causes.failures == every
    again = context.new_page()
    again.goto(linked)
    assert _Causes(again).rows == narrowed
    assert again.get_by_label("Branch", exact=True).input_value() == "main"
    context.close()


def test_causes_are_sorted_as_asked_also_when_they_are_narrowed(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["phone"])
    page = _Watched(context.new_page(), pages["month"]).page
    causes = _Causes(page)
    assert causes.numbers(".chip") != sorted(causes.numbers(".chip"))
    page.get_by_label("Sort by", exact=True).select_option("category")
    assert causes.numbers(".chip") == sorted(causes.numbers(".chip"))
    page.get_by_label("Sort by", exact=True).select_option("last seen")
    newest = page.evaluate(
        """() => Array.from(document.querySelectorAll("li.cause"), (cause) => cause.querySelector("time").dateTime)"""
    )
    assert newest == sorted(newest, reverse=True)
    page.get_by_label("Repository", exact=True).select_option("acme/site")
    page.get_by_label("Sort by", exact=True).select_option("failures")
    counts = [int(count) for count in causes.numbers(".big")]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == causes.failures == len(causes.rows)
    context.close()


def test_every_cause_can_be_reached(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    page = _Watched(context.new_page(), pages["many"]).page
    shown = page.locator("#cause-list > li:visible")
    every = page.locator("#cause-list > li").count()
    assert shown.count() == 15 < every
    while page.locator("#more").is_visible():
        page.locator("#more").click()
    assert shown.count() == every
    for number in (1, 20, every):
        page.goto(f"{pages['many'].as_uri()}#causes?cause={number}")
        page.locator(f"#cause-{number} .failures").wait_for()
        assert shown.count() == 1
    context.close()


def test_a_number_and_a_bar_lead_to_their_failures(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    page = _Watched(context.new_page(), pages["month"]).page
    causes = _Causes(page)
    link = page.locator("#categories a[data-filter='type=timeout']")
    expected = int(link.inner_text())
    link.click()
    page.wait_for_url(re.compile(r"#causes\?type=timeout$"), timeout=5_000)
    assert causes.failures == len(causes.rows) == expected
    assert page.get_by_label("Category", exact=True).input_value() == "timeout"
    page.locator("#time section:last-child svg [data-filter]").nth(3).click()
    page.wait_for_url(re.compile(r"#causes\?from="), timeout=5_000)
    day = page.url.rpartition("=")[2]
    assert {row["when"][:10] for row in causes.rows} == {day}
    page.go_back()
    page.wait_for_url(re.compile("type=timeout"), timeout=5_000)
    assert {row["type"] for row in causes.rows} == {"timeout"}
    context.close()


def test_everything_has_a_name_and_a_place_for_screen_readers(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(**VIEWS["desk"])
    page = _Watched(context.new_page(), pages["month"]).page
    nameless = page.evaluate(
        """() => Array.from(document.querySelectorAll("a[href]:not([tabindex='-1']), button, input, summary"))
            .filter((element) => !(element.innerText || element.textContent || element.labels?.[0]?.innerText || "").trim())
            .map((element) => element.outerHTML)"""
    )
    assert nameless == []
    headings = page.evaluate("() => Array.from(document.querySelectorAll('h1,h2,h3')).map((h) => Number(h.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))
    tree = page.locator("body").aria_snapshot()
    for said in (
        "main",
        "navigation",
        "heading",
        'img "Failure rate over time',
        "searchbox",
        "combobox",
        "list",
        "table",
    ):
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
    causes = _Causes(page)
    links = page.locator("#fix-first a[data-filter], #states a[data-filter], #flaky a[data-filter]")
    for place in range(links.count()):
        links.nth(place).evaluate("(link) => link.click()")
        assert causes.failures > 0
    page.get_by_label("Repository", exact=True).select_option(index=1)
    assert causes.failures > 0
    assert page.evaluate("window.hacked") is None
    assert watched.complaints == []
    context.close()


def test_without_scripts_every_failure_can_be_read(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False, **VIEWS["phone"])
    page = context.new_page()
    page.goto(pages["many"].as_uri())
    assert not page.locator("#filter").is_visible()
    assert not page.locator("#more").is_visible()
    page.locator("#more-causes > summary").click()
    page.locator("li.cause summary").first.click()
    assert page.locator("li.cause .failures > li:visible").count() > 0
    page.evaluate("Array.from(document.querySelectorAll('details'), (each) => { each.open = true; })")
    rows = page.locator("#causes .failures > li")
    assert page.locator("#causes .failures > li:visible").count() == rows.count() > 100
    context.close()


def _contrast(colours: dict[str, str], text: str, ground: str) -> float:
    light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
