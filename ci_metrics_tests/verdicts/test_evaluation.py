"""The measures: right on cases small enough to reckon by hand."""

import json
from pathlib import Path

import pytest

from ci_metrics.commands.evaluate import evaluate, project_of, read_cases
from ci_metrics.errors import ContractError
from ci_metrics.models import Evidence
from ci_metrics.verdicts.evaluation import Answer, Case, score_extractions, score_verdicts


def answer(expected: tuple[str, ...], said: str | None, confidence: float = 1.0, **more: object) -> Answer:
    case = Case(id="s/p/1", source="s", project="p", format="gha", log="x", expected=expected, **more)  # type: ignore[arg-type]
    return Answer(
        case=case, lines=["a", "b"], excerpt="b", spans=((2, 2),), error_type=said, confidence=confidence, evidence=()
    )


def test_strict_counts_the_first_label_and_lenient_any() -> None:
    scores = score_verdicts([answer(("a", "b"), "b"), answer(("a",), "a"), answer(("a",), "c"), answer(("a",), None)])
    assert scores is not None
    assert (scores.scored, scores.strict, scores.lenient, scores.coverage) == (4, 0.25, 0.5, 0.75)


def test_macro_f1_weighs_rare_categories_like_common_ones() -> None:
    scores = score_verdicts([answer(("a",), "a"), answer(("a",), "a"), answer(("a",), "a"), answer(("b",), "a")])
    assert scores is not None
    assert scores.macro_f1 == pytest.approx((6 / 7 + 0) / 2)
    assert [(c.name, c.labelled, c.right, c.wrong) for c in scores.categories] == [("a", 3, 3, 1), ("b", 1, 0, 0)]
    assert scores.confusion == (("b", "a", 1),)


def test_the_calibration_error_is_the_gap_between_confidence_and_being_right() -> None:
    sure = [answer(("a",), "a", 0.8) for _ in range(4)] + [answer(("a",), "b", 0.8)]
    scores = score_verdicts(sure)
    assert scores is not None and scores.calibration_error == pytest.approx(0.0)
    scores = score_verdicts([answer(("a",), "b", 0.9), answer(("a",), "a", 0.1)])
    assert scores is not None and scores.calibration_error == pytest.approx(0.9)


def test_thresholds_say_what_share_is_decided_and_how_precisely() -> None:
    scores = score_verdicts([answer(("a",), "a", 0.95), answer(("a",), "b", 0.6), answer(("a",), None, 0.0)])
    assert scores is not None
    decided = {at: (share, precision) for at, share, precision in scores.thresholds}
    assert decided[0.9] == (pytest.approx(1 / 3), 1.0)
    assert decided[0.5] == (pytest.approx(2 / 3), 0.5)


def test_a_quote_counts_only_on_its_own_line_whatever_colours_the_line_has() -> None:
    case = Case(id="s/p/1", source="s", project="p", format="gha", log="x", expected=("a",))
    quotes = (Evidence(1, "boom"), Evidence(2, "boom"), Evidence(9, "boom"))
    lines = ["2026-01-01T00:00:00.0Z \x1b[31mboom\x1b[0m", "quiet"]
    scores = score_verdicts(
        [Answer(case=case, lines=lines, excerpt="", spans=(), error_type="a", confidence=1.0, evidence=quotes)]
    )
    assert scores is not None and (scores.quotes, scores.quotes_on_their_line) == (3, pytest.approx(1 / 3))


def test_a_marked_line_is_kept_only_when_its_text_is_in_the_excerpt() -> None:
    kept = answer((), None, spans=((2, 2),))
    half = answer((), None, spans=((1, 2),))
    chunk = answer((), None, chunk="b\nz")
    scores = score_extractions([kept, half, chunk])
    assert scores is not None
    assert (scores.scored, scores.recall, scores.characters) == (3, pytest.approx((1 + 0.5 + 0.5) / 3), 1)


def test_without_labels_there_are_no_scores() -> None:
    assert score_verdicts([answer((), "a")]) is None
    assert score_extractions([answer(("a",), "a")]) is None


@pytest.mark.parametrize(
    ("case_id", "project"),
    [
        ("chunks/C/git@git/failed/564416725", "git@git"),
        ("diff/breakages/guava_1947", "diff/breakages/guava"),
        ("diff/dump/Quick Checks_/run131", "Quick Checks_"),
        ("windows/compile_error", "windows/compile_error"),
    ],
)
def test_a_project_is_read_from_the_id_so_that_its_logs_stay_on_one_side_of_a_split(case_id: str, project: str) -> None:
    assert project_of(case_id) == project


def test_about_a_quarter_of_the_projects_is_held_out_and_always_the_same() -> None:
    cases = [Case(id="x", source="x", project=f"p{i}", format="", log="") for i in range(400)]
    assert 70 < sum(case.held_out for case in cases) < 130
    assert [i for i in range(20) if cases[i].held_out] == [3, 4, 7, 8, 12, 15, 18, 19], "as in every other process"


def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.log").write_text("ok\nFAILED a.py::b - assert 1\n##[error]Process completed with exit code 1.\n")
    case = {"id": "x/o@r/1", "log": "a.log", "format": "gha", "expected": ["assertion_failure"], "spans": [[2, 2]]}
    (tmp_path / "cases.jsonl").write_text(json.dumps(case))
    return tmp_path


def test_the_command_prints_every_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(folder(tmp_path))
    printed = capsys.readouterr().out
    for heading in ("extraction", "verdicts", "category", "confidence at least", "taken for another"):
        assert heading in printed
    assert "assertion_failure            1      1.000   1.000  1.000" in printed


def test_the_command_gives_the_same_figures_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(folder(tmp_path), json_lines=True)
    figures = json.loads(capsys.readouterr().out)
    assert figures["all"]["verdicts"]["strict"] == 1.0
    assert figures["all"]["extractions"]["recall"] == 1.0


def test_a_wrong_folder_or_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="neither"):
        read_cases(tmp_path)
    (tmp_path / "cases.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(ContractError, match="line 1"):
        read_cases(tmp_path)
    with pytest.raises(ContractError, match="must be all, tuned or held-out"):
        evaluate(tmp_path, part="half")
