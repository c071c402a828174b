"""How large the report of many failures is, and how long people wait for it.

    python -m bench.report_page [--failures 10000]

Writes about that many failures of four weeks to an embedded index, makes the page, opens it in
Chromium and narrows it. Seconds are of CPU, in the browser of the page's own thread. JSON on
standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics.report.page import build_report, render_page
from ci_metrics_tests.report.corpus import END, corpus

#: Failures of the corpus's four weeks for each run a day.
FAILURES_A_RUN = 13


def measure(folder: Path, failures: int) -> dict[str, object]:
    """Bytes, and seconds for making the page, for opening and for narrowing it."""
    index = EmbeddedIndex(folder / "index.sqlite")
    documents = corpus(per_day=failures // FAILURES_A_RUN)
    for document in documents:  # each branch has its own causes, so that there are many
        if "s_error_group" in document.body:
            document.body["s_error_group"] += f"-{document.body['s_branch']}"
    index.upsert(each for each in documents if each.kind == "jobs" and each.body["s_status"] == "failure")
    begun = time.process_time()
    report = build_report(index, END - timedelta(hours=1))
    page = render_page(report)
    made = time.process_time() - begun
    index.close()
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return {
        "failures": report.figures.failed,
        "causes": len(report.causes),
        "megabytes": round(file.stat().st_size / 1e6, 2),
        "seconds": {"made": round(made, 2), **_opened(file)},
    }


def _opened(file: Path) -> dict[str, float]:
    """Seconds until the page has run its script, and then until it is narrowed by words."""
    with sync_playwright() as playwright:
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.set_default_timeout(0)
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable", {"timeDomain": "threadTicks"})

        def used() -> float:
            found = tools.send("Performance.getMetrics")["metrics"]
            return float(next(each["value"] for each in found if each["name"] == "TaskDuration"))

        page.goto(file.as_uri())
        page.locator("#shown").inner_text()
        opened = used()
        page.get_by_label("Words").fill("checkout page")
        page.locator("#shown").inner_text()
        narrowed = used() - opened
        browser.close()
    return {"opened": round(opened, 2), "narrowed": round(narrowed, 2)}


def main() -> None:
    """Write, make, open, print."""
    parser = argparse.ArgumentParser(description="How large and slow the report of many failures is")
    parser.add_argument("--failures", type=int, default=10_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), given.failures), indent=2))


if __name__ == "__main__":
    main()
