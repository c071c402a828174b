"""The measures: right on cases small enough to reckon by hand."""

import json
from pathlib import Path

import pytest

from ci_metrics.commands.evaluate import evaluate
from ci_metrics.errors import ContractError
from ci_metrics.evaluation.cases import Case, project_of, read_cases
from ci_metrics.evaluation.scores import JudgedCase, score_extractions, score_first_errors, score_verdicts
from ci_metrics.models import Evidence, ExtractedError
from ci_metrics_tests.builders import an_error

STAMP = "2026-01-01T00:00:00.1234567Z "


def answer(expected: tuple[str, ...], said: str | None, confidence: float = 1.0, **more: object) -> JudgedCase:
    case = Case(id="s/p/1", source="s", project="p", format="gha", path=Path("x"), expected=expected, **more)  # type: ignore[arg-type]
    return JudgedCase(
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
    assert decided[0.9] == pytest.approx((1 / 3, 1.0))
    assert decided[0.5] == pytest.approx((2 / 3, 0.5))


def test_a_quote_counts_only_on_its_own_line_whatever_colours_the_line_has() -> None:
    case = Case(id="s/p/1", source="s", project="p", format="gha", path=Path("x"), expected=("a",))
    quotes = (Evidence(1, "boom"), Evidence(2, "boom"), Evidence(9, "boom"))
    lines = ["2026-01-01T00:00:00.0Z \x1b[31mboom\x1b[0m", "quiet"]
    scores = score_verdicts(
        [JudgedCase(case=case, lines=lines, excerpt="", spans=(), error_type="a", confidence=1.0, evidence=quotes)]
    )
    assert scores is not None and (scores.quotes, scores.quotes_on_their_line) == pytest.approx((3, 1 / 3))


def test_a_marked_line_is_kept_only_when_its_text_is_in_the_excerpt() -> None:
    kept = answer((), None, spans=((2, 2),))
    half = answer((), None, spans=((1, 2),))
    chunk = answer((), None, chunk="b\nz")
    scores = score_extractions([kept, half, chunk])
    assert scores is not None
    assert (scores.scored, scores.recall, scores.characters) == pytest.approx((3, (1 + 0.5 + 0.5) / 3, 1))


def test_without_labels_there_are_no_scores() -> None:
    assert score_verdicts([answer((), "a")]) is None
    assert score_extractions([answer(("a",), "a")]) is None


@pytest.mark.parametrize(
    ("case_id", "project"),
    [
        ("set/AutoThing/pair_3", "AutoThing"),
        ("chunks/C/git@git/failed/564416725", "git@git"),
        ("diff/breakages/guava_1947", "diff/breakages/guava"),
        ("diff/dump/Quick Checks_/run131", "Quick Checks_"),
        ("windows/compile_error", "windows/compile_error"),
    ],
)
def test_a_project_is_read_from_the_id_so_that_its_logs_stay_on_one_side_of_a_split(case_id: str, project: str) -> None:
    assert project_of(case_id) == project


def error(headline: str, *lines: int, fingerprint: str = "f", generic: bool = False) -> ExtractedError:
    spans = tuple((number, number) for number in lines)
    return an_error(headline=headline, line=lines[0], spans=spans, fingerprint=fingerprint, generic=generic)


def told(*errors: ExtractedError, decisive: tuple[int, ...] = (2,), quotes: tuple[int, ...] = ()) -> JudgedCase:
    """An answer on a log whose second line is to be quoted."""
    case = Case(id="s/p/1", source="s", project="p", format="gha", path=Path("x"), decisive=decisive)
    lines = [f"{STAMP}begin", f"{STAMP}##[error]boom: \x1b[31mno such panel as 7\x1b[0m", f"{STAMP}end"]
    evidence = tuple(Evidence(number, "") for number in quotes)
    return JudgedCase(
        case=case, lines=lines, excerpt="", spans=(), error_type=None, confidence=0, evidence=evidence, errors=errors
    )


@pytest.mark.parametrize(
    ("answer", "figures"),  # headline, block, any, quote
    [
        (told(error("boom: no such panel as 7", 2), quotes=(2, 1)), (1, 1, 1, 1)),
        (told(error("no such panel", 2), quotes=(1, 2)), (1, 1, 1, 0)),
        (told(error("tool: boom: no such panel as 7 (and more)", 2)), (1, 1, 1, 0)),
        (told(error("begin", 1, 2), quotes=(2,)), (0, 1, 1, 1)),
        (told(error("begin", 1), error("boom: no such panel as 7", 2)), (0, 0, 1, 0)),
        (told(error("", 1)), (0, 0, 0, 0)),
        (told(), (0, 0, 0, 0)),
    ],
)
def test_the_error_named_first_is_held_against_the_lines_a_person_would_quote(
    answer: JudgedCase, figures: tuple[int, ...]
) -> None:
    scores = score_first_errors([answer])
    assert scores is not None
    assert (scores.headline, scores.block, scores.any, scores.quote) == figures


def test_only_logs_with_decisive_lines_count_for_the_first_error() -> None:
    assert score_first_errors([told(error("begin", 1), decisive=())]) is None
    scores = score_first_errors([told(error("begin", 1), decisive=()), told(error("boom: no such panel as 7", 2))])
    assert scores is not None and (scores.scored, scores.headline, scores.named) == (1, 1.0, 2)


@pytest.mark.parametrize(
    ("logs", "mixed"),  # (project, acceptable categories, fingerprint, generic)
    [
        ([("p", "a", "f", False), ("p", "a", "f", False)], 0),
        ([("p", "a", "f", False), ("q", "a", "f", False)], 2),
        ([("p", "a", "f", False), ("p", "b", "f", False)], 2),
        ([("p", "ab", "f", False), ("p", "b", "f", False), ("p", "", "f", False)], 0),
        ([("p", "a", "f", False), ("q", "b", "g", False)], 0),
        ([("p", "a", "f", True), ("q", "b", "f", True)], 0),
        ([("p", "a", "f", False), ("q", "b", "f", True)], 0),
    ],
)
def test_logs_are_mixed_when_a_telling_fingerprint_joins_projects_or_causes(
    logs: list[tuple[str, str, str, bool]], mixed: int
) -> None:
    answers = [
        JudgedCase(
            case=Case(id=f"s/{n}", source="s", project=project, format="", path=Path("x"), expected=tuple(labels), decisive=(1,)),
            lines=["x"], excerpt="", spans=(), error_type=None, confidence=0, evidence=(),
            errors=(error("x", 1, fingerprint=fingerprint, generic=generic),),
        )
        for n, (project, labels, fingerprint, generic) in enumerate(logs)
    ]  # fmt: skip
    scores = score_first_errors(answers)
    assert scores is not None
    assert (scores.mixed, scores.named) == (mixed, sum(not generic for *_, generic in logs))


def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.log").write_text("ok\nFAILED a.py::b - assert 1\n##[error]Process completed with exit code 1.\n")
    case = {
        "id": "x/o@r/1",
        "log": "a.log",
        "format": "gha",
        "expected": ["assertion_failure"],
        "spans": [[2, 2]],
        "decisive": [2],
    }
    (tmp_path / "cases.jsonl").write_text(json.dumps(case))
    return tmp_path


def test_the_command_prints_every_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(folder(tmp_path))
    printed = capsys.readouterr().out
    for heading in ("extraction", "first error", "verdicts", "category", "confidence at least", "taken for another"):
        assert heading in printed
    assert "assertion_failure            1      1.000   1.000  1.000" in printed


def test_the_command_gives_the_same_figures_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(folder(tmp_path), json_lines=True)
    figures = json.loads(capsys.readouterr().out)
    assert figures["all"]["verdicts"]["strict"] == 1.0
    assert figures["all"]["extractions"]["recall"] == 1.0
    assert figures["all"]["first_errors"] == {
        "scored": 1, "headline": 1.0, "block": 1.0, "any": 1.0, "quote": 1.0, "mixed": 0, "named": 1,
    }  # fmt: skip
    assert set(figures) == {"x gha", "all GitHub", "all"}  # by set


def test_a_wrong_folder_or_case_is_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="neither"):
        read_cases(tmp_path)
    (tmp_path / "cases.jsonl").write_text('{"id": "a"}\n')
    with pytest.raises(ContractError, match="line 1"):
        read_cases(tmp_path)
    (tmp_path / "cases.jsonl").write_text('{"id": "a", "log": "gone.log"}\n')
    with pytest.raises(ContractError, match=r"gone\.log: cannot be read"):
        evaluate(tmp_path)
    with pytest.raises(ContractError, match="no case begins with “b”"):
        evaluate(tmp_path, only="b")


def test_steps_are_told_only_when_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [("Set up job", "success"), ("Lint", "failure"), ("Test", "success"), ("Complete job", "success")]
    log = ["##[group]Run lint", "##[endgroup]", "E501 line too long", "##[error]Process completed with exit code 1."]
    log += [
        "##[group]Run pytest",
        "##[endgroup]",
        "FAILED a.py::b - assert 1",
        "##[error]Process completed with exit code 1.",
    ]
    (tmp_path / "a.log").write_text("".join(f"{STAMP}{line}\n" for line in log))
    described = [{"number": n, "name": name, "conclusion": said} for n, (name, said) in enumerate(steps, start=1)]
    jobs = [{"job_id": 5, "job_name": "checks", "steps": described}]
    case = {"id": "x/o@r/1", "log": "a.log", "format": "gha", "decisive": [3], "jobs": jobs}
    (tmp_path / "cases.jsonl").write_text(json.dumps(case))
    headed = []
    for told_of_jobs in (False, True):
        evaluate(tmp_path, jobs=told_of_jobs, json_lines=True)
        headed.append(json.loads(capsys.readouterr().out)["all"]["first_errors"]["headline"])
    assert headed == [0.0, 1.0]
