"""An answer of OpenSearch has an end."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from ci_metrics.errors import TransientError
from ci_metrics.index import open as index_open
from ci_metrics.settings import load_settings
from ci_metrics_tests.reliability.strangers import stranger


def test_a_server_that_sends_a_byte_now_and_then_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_open, "REQUEST_SECONDS", 0.1)
    with stranger("a byte now and then") as address:
        names = {"WORKFLOW_INDEX": "w", "JOB_INDEX": "j", "STEPS_INDEX": "s"}
        settings = load_settings(
            {"CI_METRICS_HOME": str(tmp_path), **{name: f"{address}/{each}" for name, each in names.items()}}
        )
        began = time.monotonic()
        with closing(index_open.open_index(settings)) as index, pytest.raises(TransientError, match="no answer"):
            index.ensure()
    assert time.monotonic() - began < 30
