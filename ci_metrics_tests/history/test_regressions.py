"""Since which commit a job fails on the default branch, whichever hour was done first."""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ci_metrics.errors import IndexWriteError
from ci_metrics.history.cause_whereabouts import Whereabouts, whereabouts
from ci_metrics.history.first_bad_commits import FirstBadCommits, update_hours
from ci_metrics.history.history_pass import run_history_pass
from ci_metrics.history.regressions import LOOK_BACK, RedSpell, red_spells, regressions, shifted
from ci_metrics.index.document_index import Document, DocumentIndex, Where
from ci_metrics.index.embedded import EmbeddedIndex
from ci_metrics_tests.history.history_documents import START, attempts, job, moment, step_of


def main(run: int, commit: str, status: str = "success", *, hour: int = 0, **fields: Any) -> Document:
    """A run of main in the hour so many after START's, ten minutes before its end by run number."""
    partition = shifted(START.strftime("%Y-%m-%dT%H"), timedelta(hours=hour))
    named = {"fingerprint": "f1-a"} if status != "success" else {}
    kept: dict[str, Any] = {"at": hour * 60 + run % 60, "event": "push", "branch": "main", "hour": partition}
    return job(run, commit=commit, status=status, **{**kept, **named, **fields})


def ranges(*documents: Document) -> dict[str, tuple[str, str]]:
    found = regressions(attempts(*documents))
    return {id_: (each.last_good, each.first_bad) for id_, each in found.items()}


def test_every_failure_of_a_cause_stands_between_the_last_good_and_its_first_bad_commit() -> None:
    good, bad, worse, fixed = main(1, "a"), main(2, "b", "failure"), main(3, "c", "failure"), main(4, "d")
    assert ranges(good, bad, worse, fixed) == {bad.id: ("a", "b"), worse.id: ("a", "b")}


def test_another_cause_on_the_red_branch_has_its_own_first_bad_commit() -> None:
    other = main(3, "c", "failure", fingerprint="f1-b")
    assert ranges(main(1, "a"), main(2, "b", "failure"), other)[other.id] == ("a", "c")


def test_runs_stand_in_the_order_in_which_they_were_created_whenever_they_were_run_again() -> None:
    good, bad, again = main(1, "a", at=500), main(2, "b", "failure"), main(2, "b", "failure", attempt=2, at=600)
    assert ranges(again, bad, good) == {bad.id: ("a", "b"), again.id: ("a", "b")}


@pytest.mark.parametrize(
    "documents",
    [
        [main(2, "b", "failure")],  # no passing run is known
        [main(1, "a"), main(2, "a", "failure")],  # it passed at the same commit
        [main(1, "a"), main(2, "b", "failure"), main(2, "b", attempt=2)],  # it passed when it ran again
        [main(1, "a"), main(2, "b", "failure", type="network_error", s_error_domain="platform")],
        [main(1, "a"), main(2, "b", "failure", generic=True)],
        [main(1, "a", name="lint"), main(2, "b", "failure")],  # another job
        [main(1, "a", hour=-24 * 15), main(2, "b", "failure")],  # too long ago
        [main(1, "a"), main(2, "b", "cancelled", fingerprint=None)],
    ],
)
def test_where_it_is_not_known_or_no_commits_fault_nothing_is_said(documents: list[Document]) -> None:
    assert ranges(*documents) == {}


def test_a_failure_of_the_platform_between_is_neither_good_nor_bad() -> None:
    outage = main(2, "b", "failure", type="network_error", s_error_domain="platform", fingerprint="f1-n")
    bad = main(3, "c", "failure")
    assert ranges(main(1, "a"), outage, bad) == {bad.id: ("a", "c")}


def world() -> list[Document]:
    """Green, red by two causes over four hours, green; an outage; a pull request's failures."""
    return [
        main(1, "a", hour=0),
        main(2, "b", "failure", hour=1),
        step_of(main(2, "b", "failure", hour=1)),
        main(3, "c", "failure", hour=2),
        main(4, "c", "failure", hour=2, type="network_error", s_error_domain="platform", fingerprint="f1-n"),
        main(5, "d", "failure", hour=3, fingerprint="f1-b"),
        main(6, "e", hour=4),
        main(7, "f", "failure", hour=5, name="lint"),
        job(8, fingerprint="f1-a", at=130, s_pr_id="7", hour="2026-03-02T07"),
    ]


def documents_after(hours: Sequence[str], path: Path) -> dict[str, Any]:
    index = EmbeddedIndex(path)
    for hour in hours:
        index.upsert(document for document in world() if document.body["s_partition"] == hour)
        run_history_pass(index, hour)
    found = {d.id: d.body for kind in ("jobs", "steps") for d in index.scan(kind)}
    index.close()
    return found


def test_documents_end_the_same_whatever_the_order_of_hours_and_when_one_is_done_again(tmp_path: Path) -> None:
    hours = sorted({str(document.body["s_partition"]) for document in world()})
    orders = [hours, hours[::-1], [*hours[3:], *hours[:3]], [*hours, hours[1], hours[0]], hours[::2] + hours[1::2]]
    first, *others = [documents_after(order, tmp_path / f"{n}.sqlite") for n, order in enumerate(orders)]
    for other in others:
        assert other == first
    said = {
        id_: (body["s_last_good_sha"], body["s_first_bad_sha"])
        for id_, body in first.items()
        if "s_first_bad_sha" in body
    }
    assert said == {
        main(2, "b").id: ("a", "b"),
        step_of(main(2, "b", "failure")).id: ("a", "b"),
        main(3, "c").id: ("a", "b"),
        main(5, "d").id: ("a", "d"),
    }


def any_world(chance: random.Random) -> list[Document]:
    """Two jobs that pass, fail by two causes and are cancelled, in 40 hours of 32 days."""
    documents: list[Document] = []
    hours = sorted(chance.sample(range(-24 * 16, 24 * 16), 40))  # near and far: some lie beyond all reach of each other
    for run, hour in enumerate(hours, 1):
        for name in ("test", "lint"):
            status = chance.choice(["success", "failure", "failure", "cancelled"])
            cause: dict[str, Any] = (
                {"fingerprint": chance.choice(["f1-a", "f1-b"])} if status == "failure" else {"fingerprint": None}
            )
            documents.append(main(run, f"c{run - chance.randrange(2)}", status, hour=hour, name=name, **cause))
            if status == "failure" and chance.random() < 0.2:
                documents.append(main(run, str(documents[-1].body["s_commit_sha"]), attempt=2, hour=hour, name=name))
    return documents


def said_in(index: DocumentIndex) -> dict[str, tuple[str, str]]:
    found = index.scan("jobs", Where(exists=("s_first_bad_sha",)))
    return {each.id: (each.body["s_last_good_sha"], each.body["s_first_bad_sha"]) for each in found}


@pytest.mark.parametrize("seed", range(4))
def test_hour_by_hour_in_any_order_says_what_all_of_history_says_at_once(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    documents = any_world(chance)
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    order = sorted({str(document.body["s_partition"]) for document in documents})
    chance.shuffle(order)
    for hour_key in [*order, *order[:3]]:
        index.upsert(document for document in documents if document.body["s_partition"] == hour_key)
        run_history_pass(index, hour_key)
    said = said_in(index)
    index.close()
    assert said == ranges(*documents)
    assert len(said) > 5


@pytest.mark.parametrize("most", [1, 9, 1_000])
def test_many_hours_brought_up_to_date_at_once_say_what_each_says_alone(most: int, tmp_path: Path) -> None:
    documents = any_world(random.Random(most))
    hours = sorted({str(document.body["s_partition"]) for document in documents})
    part = hours[5:-5]  # what lies before and after it counts, too, and changes where this part speaks for it
    index, alone = EmbeddedIndex(tmp_path / "index.sqlite"), EmbeddedIndex(tmp_path / "alone.sqlite")
    for each in (index, alone):
        each.upsert([*documents, *map(step_of, documents)])
    at_once = FirstBadCommits(index, part, most=most)
    began = {hour: at_once.of(hour) for hour in part}
    known = {id_ for hour in part for id_ in update_hours(alone, [hour]).known}
    said = said_in(index)
    assert said == said_in(alone)
    assert {id_ for each in began.values() for id_ in each.known} == known
    assert {id_ for each in began.values() for ids in each.changed.values() for id_ in ids} == said.keys()
    assert {each.body["s_job_id"] for each in index.scan("steps", Where(exists=("s_first_bad_sha",)))} == {
        document.body["s_job_id"] for document in documents if document.id in said
    }
    alone.close()
    again = FirstBadCommits(index, hours, most=most)
    for hour in hours:
        again.of(hour)
    assert said_in(index) == ranges(*documents)
    assert not any(ids for hour in hours for ids in FirstBadCommits(index, hours).of(hour).changed.values())
    index.close()


def test_a_document_that_the_index_refuses_stops_its_own_hour_not_those_done_with_it(tmp_path: Path) -> None:
    month = 24 * 30  # beyond all reach of each other
    documents = [
        each for n in (0, month, 2 * month) for each in (main(n, "a", hour=n), main(n + 1, "b", "failure", hour=n))
    ]
    index = EmbeddedIndex(tmp_path / "index.sqlite")
    index.upsert(documents)
    index.close()
    with sqlite3.connect(tmp_path / "index.sqlite") as file:
        file.execute("UPDATE jobs_rows SET body = replace(body, '@timestamp', '@time') WHERE id = ?", [documents[3].id])
    first, broken, last = sorted({str(document.body["s_partition"]) for document in documents})
    at_once = FirstBadCommits(index, [first, broken, last])
    assert at_once.of(first).known == {documents[1].id}
    with pytest.raises(IndexWriteError, match=documents[3].id):
        at_once.of(broken)
    assert at_once.of(last).known == {documents[5].id}
    index.close()


def test_a_run_that_passes_later_takes_back_what_was_said(any_index: DocumentIndex) -> None:
    any_index.upsert([main(1, "a"), main(2, "b", "failure")])
    any_index.refresh()
    assert run_history_pass(any_index, "2026-03-02T05").regressions == 1
    any_index.upsert([main(2, "b", attempt=2, at=90)])
    any_index.refresh()
    run_history_pass(any_index, "2026-03-02T05")
    body = any_index.get("jobs", [main(2, "b").id])[main(2, "b").id]
    assert ("s_first_bad_sha" in body, body["b_flaky_suspected"]) == (False, True)


def test_the_last_good_commit_is_looked_for_over_the_same_time_whichever_hour_is_done() -> None:
    days = LOOK_BACK / timedelta(days=1)
    just, gone = main(1, "a", hour=-24 * int(days)), main(1, "a", hour=-24 * int(days) - 1)
    bad = main(2, "b", "failure")
    assert (ranges(just, bad), ranges(gone, bad)) == ({bad.id: ("a", "b")}, {})


def test_a_red_spell_lasts_from_the_first_failure_to_the_run_that_passed_again() -> None:
    own = [d for d in world() if d.kind == "jobs" and d.body["s_job_name"] == "test" and d.body["s_branch"] == "main"]
    (spell,) = red_spells(attempts(*own))
    assert (spell.began, spell.ended) == (moment(62), moment(246))
    assert (spell.last_good, spell.first_bad, spell.ended_by) == ("a", "b", "e")
    assert (spell.runs, spell.groups, spell.jobs) == (3, ("g1-a", "g1-b"), ("test",))
    assert spell.minutes == 184


def test_jobs_that_one_commit_broke_are_one_spell_that_ends_with_the_last_of_them() -> None:
    broken = [
        *(main(1, "a", name=name) for name in ("test", "lint")),
        *(main(2, "b", "failure", name=name) for name in ("test", "lint")),
        *(main(3, "c", name="lint"), main(3, "c", "failure"), main(4, "d")),
    ]
    (spell,) = red_spells(attempts(*broken))
    assert (spell.jobs, spell.first_bad, spell.ended_by, spell.ended) == (("lint", "test"), "b", "d", moment(4))
    (still,) = red_spells(attempts(*broken[:-1]))
    assert (still.ended, still.ended_by) == (None, "")
    assert (still.seen, still.minutes) == (moment(3), 1)


def test_a_job_that_passed_at_its_commit_makes_no_spell_and_one_without_a_passing_run_no_culprit() -> None:
    assert red_spells(attempts(main(1, "a"), main(2, "b", "failure"), main(3, "b"))) == []
    (unknown,) = red_spells(attempts(main(2, "b", "failure"), main(3, "c")))
    assert isinstance(unknown, RedSpell)
    assert (unknown.first_bad, unknown.last_good, unknown.ended_by) == ("", "", "c")


def test_a_cause_says_whether_it_is_on_the_default_branch_gone_or_in_one_pull_request_only(
    any_index: DocumentIndex,
) -> None:
    any_index.upsert(
        [
            main(1, "a", "failure", fingerprint="f1-gone", s_owner=["@acme/pay"]),
            main(2, "b", "failure", fingerprint="f1-here", name="lint"),
            main(3, "c", at=200),
            main(3, "c", "failure", fingerprint="f1-here", name="lint"),
            job(4, fingerprint="f1-gone", s_pr_id="7", at=300),
            job(5, fingerprint="f1-mine", s_pr_id="8"),
            job(6, attempt=2, fingerprint="f1-mine", s_pr_id="8"),
            job(7, fingerprint="f1-ours", s_pr_id="8"),
            job(8, fingerprint="f1-ours", s_pr_id="9"),
        ]
    )
    any_index.refresh()
    groups = ["g1-gone", "g1-here", "g1-mine", "g1-ours", "g1-none"]
    assert whereabouts(any_index, groups) == {
        "g1-gone": Whereabouts("gone", moment(200), ("acme/shop#7",), ("@acme/pay",)),
        "g1-here": Whereabouts("default"),
        "g1-mine": Whereabouts("pull_request", None, ("acme/shop#8",)),
        "g1-ours": Whereabouts("elsewhere", None, ("acme/shop#8", "acme/shop#9")),
    }


def test_every_order_of_two_hours_gives_a_failure_the_same_commits(tmp_path: Path) -> None:
    two = {"2026-03-02T05": [main(1, "a")], "2026-03-02T06": [main(2, "b", "failure", hour=1)]}
    for number, order in enumerate(itertools.permutations(two)):
        index = EmbeddedIndex(tmp_path / f"{number}.sqlite")
        for hour in order:
            index.upsert(two[hour])
            run_history_pass(index, hour)
        assert index.get("jobs", [main(2, "b").id])[main(2, "b").id]["s_first_bad_sha"] == "b"
        index.close()
