"""`make audit` tells holes from no holes from not knowing."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

SPEC = importlib.util.spec_from_file_location("audit", Path(__file__).parents[1] / "scripts" / "audit.py")
assert SPEC is not None and SPEC.loader is not None
audit: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(audit)

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
HOLED = {"name": "holed", "version": "2.0", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"], "aliases": []}]}


@pytest.mark.parametrize(
    ("packages", "said", "code"),
    [
        ([SOUND], "1 packages audited, 0 known holes", 0),
        ([SOUND, HOLED], "holed 2.0: CVE-1, mended in 2.1\n2 packages audited, 1 known holes", 1),
        (
            [SOUND, {"name": "own", "skip_reason": "not found"}],
            "own was not audited: not found\n1 packages audited, 0 known holes",
            0,
        ),
    ],
)
def test_holes_are_named_and_fail(packages: list[object], said: str, code: int) -> None:
    assert audit.verdict(json.dumps({"dependencies": packages, "fixes": []}), "") == (said, code)


@pytest.mark.parametrize("printed", ["", "{", "{}", "no JSON"])
def test_where_nothing_could_be_asked_that_is_said_and_is_no_failure(printed: str) -> None:
    said, code = audit.verdict(printed, "Traceback\nConnectionError: no network\n")
    assert code == 0
    assert said == "NOT AUDITED: nothing is known of holes in the dependencies (ConnectionError: no network)"
