"""What --show-request shows is what would leave; docs/models.md says what the table says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.classifier.taxonomy import load_taxonomy
from ci_metrics.llm.prices import load_prices
from ci_metrics.models import Annotation
from ci_metrics.settings import load_settings
from ci_metrics.verdicts.judge import Judge
from ci_metrics.verdicts.model_request_preview import render_request
from ci_metrics_tests.llm.model_server import KEY, ModelServer
from ci_metrics_tests.verdicts.failures import FixedRules, failure, settings_for

DOC = Path(__file__).parents[2] / "docs" / "models.md"


def mask(text: str) -> tuple[str, int]:
    return text.replace("hunter2", "****"), text.count("hunter2")


@pytest.mark.parametrize("api_format", ["anthropic", "openai"])
def test_it_is_what_a_judge_sends(make_judge: Callable[..., Judge], server: ModelServer, api_format: str) -> None:
    request = failure(1, annotations=[Annotation(level="failure", message="login with hunter2 failed")])
    assert request.error is not None
    settings = settings_for(server, api_format=api_format)
    rules = FixedRules().judge(request.extraction, request.error)
    shown = render_request(request, settings=settings, taxonomy=load_taxonomy(None), rules=rules, redact=mask)
    assert server.requests == []
    make_judge(api_format=api_format, redact=mask).judge([request])
    assert shown is not None
    assert shown["body"] == server.requests[0]["body"]
    assert shown["url"] == server.url + server.requests[0]["path"]
    assert KEY not in json.dumps(shown)
    assert "hunter2" not in json.dumps(shown)


def test_it_needs_no_key() -> None:
    request = failure(1)
    rules = FixedRules().judge(request.extraction, request.error)
    shown = render_request(request, settings=load_settings({}), taxonomy=load_taxonomy(None), rules=rules, redact=mask)
    assert shown is not None
    assert shown["url"] == "https://api.anthropic.com/v1/messages"


def test_where_nothing_would_be_sent_nothing_is_shown() -> None:
    request = failure(1)
    given: dict[str, Any] = {"settings": load_settings({}), "taxonomy": load_taxonomy(None), "redact": mask}
    nothing = replace(request.extraction, state="no_error_found", errors=())
    rules = FixedRules().judge(nothing)
    assert render_request(replace(request, extraction=nothing, error=None), rules=rules, **given) is None


def test_the_documents_prices_are_the_tables() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([^|]+) \|$", DOC.read_text(), re.MULTILINE
    )
    told = {name: (float(i), float(o), float(r), float(w), least.strip()) for name, i, o, r, w, least in rows}
    held = {}
    for name, price in load_prices().models.items():
        least = str(price.cache_minimum) if price.cache_minimum else "not published where we looked"
        read = price.input if price.cache_read is None else price.cache_read
        write = price.input if price.cache_write is None else price.cache_write
        held[name] = (price.input, price.output, read, write, least)
    assert told == held
    assert load_prices().checked in DOC.read_text()
    assert f"`{load_settings({}).anthropic_model}`" in DOC.read_text()


def test_the_command_prints_it_and_sends_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ci_metrics.commands.classify_files import classify

    monkeypatch.chdir(tmp_path)  # no .env of ours
    monkeypatch.setenv("ANTHROPIC_MODEL", "claude-sonnet-5-5")
    log = tmp_path / "job.log"
    lines = [
        "##[group]Run pytest",
        "FAILED tests/test_money.py::test_sum - assert 3 == 4",
        "1 failed, 20 passed in 0.31s",
        "##[error]Process completed with exit code 1.",
    ]
    log.write_text("".join(f"2026-11-20T10:00:0{n}.0000000Z {line}\n" for n, line in enumerate(lines)))
    classify(str(log), json_lines=True, show_request=True)
    [line] = capsys.readouterr().out.splitlines()
    shown = json.loads(line)
    assert shown["file"] == str(log)
    assert shown["url"] == "https://api.anthropic.com/v1/messages"
    assert shown["body"]["model"] == "claude-sonnet-5-5"
    assert "    2| FAILED tests/test_money.py::test_sum - assert 3 == 4" in shown["body"]["messages"][0]["content"]
