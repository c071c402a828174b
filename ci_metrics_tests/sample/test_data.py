"""The recordings: enough of them, of every kind, with marks that point at text, and nothing
of the recording machine.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from ci_metrics.sample.log_format import as_shown, varied
from ci_metrics.sample.recordings import DATA, RecordedFailure, failures, passing
from tools.record.recipes import CATEGORIES, load_recipes

ALL = sorted(failures())
RECIPES = load_recipes()
REGISTRY_WORDS = (
    "py" + "pi",
    "python" + "hosted",
    "npm" + "js",
    "mav" + "en",
    "deb" + "ian",
    "cra" + "tes",
    "go" + "lang",
)
COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_there_are_at_least_sixty_failures_over_all_ten_categories() -> None:
    counts = Counter(f.category for f in failures().values() if f.state == "classified")
    assert sum(counts.values()) >= 60
    assert set(counts) == set(CATEGORIES)
    assert min(counts.values()) >= 4, counts


def test_every_recipe_is_recorded_and_every_recording_has_its_recipe() -> None:
    assert {s for s, r in RECIPES.items() if r.kind == "failure"} == set(failures())
    assert {s for s, r in RECIPES.items() if r.kind == "passing"} == set(passing())
    assert {path.stem for path in (DATA / "failures").glob("*.log")} == set(failures())
    assert {path.stem for path in (DATA / "passing").glob("*.log")} == set(passing())


@pytest.mark.parametrize("slug", ALL)
def test_what_is_said_of_a_failure_agrees_with_its_recipe(slug: str) -> None:
    failure, recipe = failures()[slug], RECIPES[slug]
    assert (failure.category, failure.state, failure.step) == (recipe.category, recipe.state, recipe.step)
    assert failure.exit_code != 0
    assert failure.conclusion in ("failure", "timed_out", "cancelled")
    assert (failure.category is not None) == (failure.state == "classified")
    assert {step for _, step in failure.before} <= set(passing())


@pytest.mark.parametrize("slug", ALL)
def test_marks_are_inside_the_log_and_hold_text(slug: str) -> None:
    failure = failures()[slug]
    for first, last in failure.marks:
        assert 1 <= first <= last <= len(failure.lines)
        assert COLOUR.sub("", failure.lines[first - 1]).strip()
        assert COLOUR.sub("", failure.lines[last - 1]).strip()
    assert failure.marks or failure.annotations or failure.state == "no_error_found"


def test_marked_lines_still_match_the_patterns_that_found_them() -> None:
    for slug, failure in failures().items():
        for mark, (first, last) in zip(RECIPES[slug].marks, failure.marks, strict=True):
            for pattern, number in zip(mark, (first, last), strict=False):
                assert re.search(pattern, COLOUR.sub("", failure.lines[number - 1])), (slug, pattern)


def test_files_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in DATA.rglob("*") if path.is_file()}
    assert max(sizes.values()) < 300_000
    assert sum(sizes.values()) < 3_000_000


def test_nothing_of_the_recording_machine_is_left() -> None:
    host = re.compile(rf"https?://[a-z0-9.-]*({'|'.join(REGISTRY_WORDS)})[a-z0-9.-]*", re.I)
    folder = re.compile(r"""(^|[\s"'=(])/(work|farm|root|tmp)/""")
    for path in [*DATA.rglob("*"), *(DATA.parent / "record").rglob("*.toml")]:
        if path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
                assert not host.search(line), f"{path.name}:{number}: {line[:200]}"
                assert not folder.search(line), f"{path.name}:{number}: {line[:200]}"


def test_passing_logs_speak_of_errors() -> None:
    loud = [r.slug for r in passing().values() if re.search(r"error|fail|Traceback|panic", "\n".join(r.lines), re.I)]
    assert len(loud) >= 8


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("::error file=a.py,line=4,col=5::a.py:4:5: E722 bare except", "##[error]a.py:4:5: E722 bare except"),
        ("::warning::old", "##[warning]old"),
        ("::error title=Title::no: prefix", "##[error]no: prefix"),
        ("std::sort::names", "std::sort::names"),
        ("an ::error:: in the middle", "an ::error:: in the middle"),
    ],
)
def test_workflow_commands_are_shown_as_the_runner_shows_them(printed: str, shown: str) -> None:
    assert as_shown(printed) == shown


def test_another_run_prints_other_ids_and_times_on_as_many_lines() -> None:
    segfault: RecordedFailure = failures()["segfault"]
    one = varied(segfault.lines, "sample-org/gadgets", "job 1")
    two = varied(segfault.lines, "sample-org/gadgets", "job 2")
    assert len(one) == len(two) == len(segfault.lines)
    assert one != two
    assert one == varied(segfault.lines, "sample-org/gadgets", "job 1")
    assert all("Segmentation fault" in lines[-1] for lines in (one, two))
