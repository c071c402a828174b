"""What `ci-metrics upload` says of hours and settings before it does anything."""

from __future__ import annotations

import pytest

from ci_metrics.commands.sample_mode import sample_settings
from ci_metrics.commands.upload import EXIT_CODES, ended_as, upload
from ci_metrics.errors import SettingsError
from ci_metrics.orchestration.summary import Summary
from ci_metrics.settings import load_settings


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        ("2026-03-99", "", "--from: “2026-03-99” is not an hour"),
        ("", "2026-03-02 05:00", "--to: “2026-03-02 05:00” is not an hour"),
        ("2026-03-02T05", "2026-03-02T03", "--from: 2026-03-02T05 lies after the last hour, 2026-03-02T03"),
        ("2025-01-01T05", "2026-01-01T06", "--from: 2025-01-01T05 lies before PARTITIONS_START, 2026-01-01T00"),
        ("2026-03-02T05", "2199-01-01T00", "--to: 2199-01-01T00 has not closed yet"),
    ],
)
@pytest.mark.parametrize("own", [{}, {"REPO": "o/r", "GITHUB_TOKEN": "t"}])
def test_hours_that_are_none_are_one_message(
    first: str, last: str, says: str, own: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.chdir(str(tmp_path))
    for name, value in {**own, "CI_METRICS_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        upload(from_=first, to=last)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize(("enabled", "asks"), [("", False), ("true", True)])
def test_the_sample_asks_a_model_only_when_classification_was_switched_on(enabled: str, asks: bool) -> None:
    given = load_settings({"ANTHROPIC_API_KEY": "k", "ENABLE_ERROR_CLASSIFICATION": enabled})
    sample = sample_settings(given, "http://127.0.0.1:1", ("o/r",))
    assert sample.enable_error_classification
    assert sample.uses_model == asks


@pytest.mark.parametrize(
    ("summary", "succeeded", "code"),
    [
        (Summary(hours=1), True, 0),
        (Summary(hours=1, unfinished_jobs=3, unfinished_hours=("2026-03-02T05",)), True, 0),
        (Summary(hours=1, problems={"o/r listing of runs": "404"}), True, 3),
        (Summary(hours=1, problems={"o/r listing of runs": "404"}), False, 1),
        (Summary(hours=1), False, 1),
        (None, False, 1),
    ],
)
def test_the_exit_code_tells_complete_from_unfinished_from_failed(
    summary: Summary | None, succeeded: bool, code: int
) -> None:
    assert EXIT_CODES[ended_as(summary, succeeded=succeeded)] == code
