"""The pictures of docs/report.md: the report on the sample data, on a desk and a phone, light
and dark, and the terminal.

    ci-metrics upload                           # the sample
    python scripts/report_screenshots.py        # needs Chromium (or CHROMIUM names another)

Nothing is asked of a network: the pages are files.
"""

# ruff: noqa: T201 - a script that prints

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COMMAND = str(Path(sys.executable).with_name("ci-metrics"))

#: Without these Chromium asks the network for updates and the like.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: name -> (width, height, dark, phone, section to show)
PAGES = {
    "report": (1200, 900, False, False, ""),
    "report-causes": (1200, 1010, False, False, "causes?sort=lost"),
    "report-phone": (390, 844, True, True, ""),
}

#: What the terminal shows.
COMMANDS = (("top", "red", "--limit", "4"), ("search", "--type", "timeout", "--limit", "2"))
COLUMNS = 104


def shoot_report(browser: Browser, file: Path) -> None:
    """The report in its views."""
    for name, (width, height, dark, phone, section) in PAGES.items():
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            is_mobile=phone,
            device_scale_factor=2 if phone else 1,
        )
        page = context.new_page()
        page.goto(file.as_uri() + (f"#{section}" if section else ""))
        page.wait_for_timeout(600)  # the page scrolls smoothly
        if section:
            page.locator("li.cause:visible summary").first.click()
        page.screenshot(path=IMAGES / f"{name}.png")
        context.close()


def shoot_terminal(browser: Browser, folder: Path) -> None:
    """What the commands print."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command in COMMANDS:
        console.print(Text(f"$ ci-metrics {' '.join(command)}", style="bold green"))
        environment = {**os.environ, "COLUMNS": str(COLUMNS), "FORCE_COLOR": "1", "TERM": "xterm-256color"}
        done = subprocess.run([COMMAND, *command], env=environment, capture_output=True, text=True, check=True)
        console.print(Text.from_ansi(done.stdout))
    file = folder / "terminal.html"
    page_text = console.export_html(theme=MONOKAI, inline_styles=True)
    style = "margin:16px;background:#0c0c0c;width:max-content"
    file.write_text(page_text.replace("<body>", f"<body style='{style}'>"), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1400, "height": 600})
    page = context.new_page()
    page.goto(file.as_uri())
    box = page.locator("pre").bounding_box()
    assert box is not None
    page.set_viewport_size({"width": int(box["width"]) + 32, "height": int(box["height"]) + 32})
    page.screenshot(path=IMAGES / "terminal.png")
    context.close()


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = Path(folder) / "report.html"
        subprocess.run([COMMAND, "report", "--out", str(report)], check=True)
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=program, args=QUIET)
        shoot_report(browser, report)
        shoot_terminal(browser, Path(folder))
        browser.close()
    for name in (*PAGES, "terminal"):
        print(f"{name}.png: {(IMAGES / f'{name}.png').stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
