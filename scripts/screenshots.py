"""Renew the pictures of Dagster's UI in docs/images: `python
scripts/screenshots.py [URL of a running UI]`.

Needs `make run` before, `make ui` running, and Chromium. What belongs here: opening
pages and saving pictures.
"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from ci_metrics.commands.ui import LINEAGE

IMAGES = Path(__file__).parents[1] / "docs" / "images"
HOUR = "2026-03-02T14"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main(url: str) -> None:
    """Save the graph and one hour's materialization."""
    with sync_playwright() as browsers:
        chromium = browsers.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = chromium.new_page(viewport={"width": 1500, "height": 900})
        for name, path in {
            "graph": LINEAGE,
            "materialization": f"/assets/classifications?view=partitions&partition={HOUR}",
        }.items():
            page.set_viewport_size({"width": 1500, "height": 560 if name == "graph" else 900})
            _save(page, f"{url}{path}", IMAGES / f"{name}.png")
        chromium.close()


def _save(page: Page, address: str, target: Path) -> None:
    page.goto(address)
    page.wait_for_load_state("networkidle", timeout=90_000)
    page.wait_for_timeout(8_000)  # the graph lays itself out in a worker, then fades in
    for word in ("Dismiss", "Skip", "No thanks"):
        button = page.get_by_role("button", name=word)
        if button.count():
            button.first.click()
    page.screenshot(path=target)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:3000")
