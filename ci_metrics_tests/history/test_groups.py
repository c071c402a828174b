from __future__ import annotations

import pytest

from ci_metrics.history.groups import Group, groups
from ci_metrics.index.document_index import Document, DocumentIndex, Where
from ci_metrics_tests.history.history_documents import job, moment

HOUR = "2026-03-02T05"
DAY = 24 * 60


def write(index: DocumentIndex, *documents: Document) -> None:
    index.upsert(documents)
    index.refresh()


def by_id(found: list[Group]) -> dict[str, Group]:
    return {group.id: group for group in found}


def test_a_group_says_how_often_where_since_when_and_at_what_price(any_index: DocumentIndex) -> None:
    write(
        any_index,
        job(1, at=0, fingerprint="f1-a", group="g1-a", minutes=10, quote="\n  E   assert 3 == 4  \nmore"),
        job(1, attempt=2, at=20, status="success", minutes=6),
        job(2, at=30, fingerprint="f1-b", group="g1-a", minutes=4, name="e2e", repo="acme/api", quote="assert 5 == 6"),
        job(3, at=40, fingerprint="f1-c", group="g1-c", type="timeout"),
        job(4, at=50, status="success"),
        job(5, at=60),  # nothing is known of it
    )
    found = groups(any_index)
    assert [group.id for group in found] == ["g1-a", "g1-c"]
    group = found[0]
    assert (group.error_type, group.headline, group.step) == ("assertion_failure", "assert 5 == 6", "Run tests")
    assert (group.first_seen, group.last_seen) == (moment(0), moment(30))
    assert (group.count, group.runs, group.share, group.lost_minutes) == (2, 2, 0.5, 20.0)
    assert (group.jobs, group.repos, group.branches) == (("e2e", "test"), ("acme/api", "acme/shop"), ("topic",))
    assert group.fingerprints == ("f1-a", "f1-b")
    assert group.examples == (job(2, name="e2e").id, job(1).id)


def test_writing_an_hour_again_changes_no_number(embedded_index: DocumentIndex) -> None:
    documents = [job(n, at=n, fingerprint="f1-a") for n in range(5)]
    write(embedded_index, *documents)
    before = groups(embedded_index)
    write(embedded_index, *documents)
    assert groups(embedded_index) == before


def test_a_cancelled_job_counts_only_with_a_cause(embedded_index: DocumentIndex) -> None:
    write(
        embedded_index,
        job(1, status="cancelled", fingerprint="f1-a"),
        job(2, status="cancelled"),
    )
    assert [(group.count, group.share) for group in groups(embedded_index)] == [(1, 1.0)]


def test_a_group_is_new_when_history_has_not_seen_it_before_the_stretch(any_index: DocumentIndex) -> None:
    write(
        any_index,
        job(1, at=0, fingerprint="f1-old"),
        job(2, at=9 * DAY, fingerprint="f1-old"),
        job(3, at=9 * DAY, fingerprint="f1-new"),
        job(4, at=9 * DAY, fingerprint="f1-exit", generic=True),
    )
    week = Where(ranges={"@timestamp": ("2026-03-08T00:00:00Z", "2026-03-15T00:00:00Z")})
    found = by_id(groups(any_index, week))
    assert {name: group.new for name, group in found.items()} == {"g1-old": False, "g1-new": True, "g1-exit": False}
    assert (found["g1-old"].first_seen, found["g1-old"].count) == (moment(0), 1)
    assert found["g1-exit"].generic


def test_another_repositorys_failure_is_history_too(embedded_index: DocumentIndex) -> None:
    write(
        embedded_index,
        job(1, at=0, fingerprint="f1-a", repo="acme/api"),
        job(2, at=9 * DAY, fingerprint="f1-a"),
    )
    (group,) = groups(embedded_index, Where(equals={"s_repo": "acme/shop"}))
    assert (group.new, group.first_seen) == (False, moment(0))


def test_an_hours_group_is_new_in_exactly_one_hour(embedded_index: DocumentIndex) -> None:
    hours = ["2026-03-02T05", "2026-03-02T06", "2026-03-02T07"]
    # The second hour's failure ended first: a run's hour is that of its creation.
    write(
        embedded_index,
        job(1, at=100, fingerprint="f1-a", hour=hours[0]),
        job(2, at=90, fingerprint="f1-a", hour=hours[1]),
        job(3, at=150, fingerprint="f1-a", hour=hours[2]),
    )
    found = {hour: groups(embedded_index, Where(equals={"s_partition": hour}))[0] for hour in hours}
    assert {hour: group.new for hour, group in found.items()} == {hours[0]: False, hours[1]: True, hours[2]: False}
    assert {group.first_seen for group in found.values()} == {moment(90)}


def test_a_new_version_of_the_algorithm_regroups_history_and_keeps_its_dates(any_index: DocumentIndex) -> None:
    old = [job(n, at=n * DAY, fingerprint=f"f1-{n}", group="g1-a") for n in range(1, 4)]
    write(any_index, *old)
    (before,) = groups(any_index)
    # The hours are read again by the new version: the same documents, with new
    # fingerprints and groups.
    write(any_index, *(job(n, at=n * DAY, fingerprint=f"f2-{n}", group="g2-a") for n in range(1, 4)))
    (after,) = groups(any_index)
    assert (before.id, after.id) == ("g1-a", "g2-a")
    assert (after.first_seen, after.last_seen, after.count) == (before.first_seen, before.last_seen, before.count)
    latest = Where(equals={"s_partition": HOUR}, ranges={"@timestamp": ("2026-03-05T00:00:00Z", None)})
    assert [group.new for group in groups(any_index, latest)] == [False]


NPM = "npm error 404 'grape-native@2.1.0' is not in this registry.\nnpm error 404 Not Found"


@pytest.mark.parametrize("hourly", [True, False])
def test_a_cause_that_an_earlier_version_knew_is_not_new_under_its_new_name(
    any_index: DocumentIndex, hourly: bool
) -> None:
    now, hour = 9 * DAY, "2026-03-11T05"
    write(
        any_index,
        job(1, at=0, fingerprint="f1-npm", quote=NPM),
        job(2, at=5, fingerprint="f1-other", quote="npm error 404 'plum@3.0.0' is not in this registry."),
        job(3, at=now, fingerprint="f2-npm", quote="1 error found\n" + NPM, hour=hour),
        job(4, at=now, fingerprint="f2-new", quote="npm error 404 'fig@1.0.0' is not in this registry.", hour=hour),
    )
    where = {"equals": {"s_partition": hour}} if hourly else {"ranges": {"@timestamp": ("2026-03-10T00:00:00Z", None)}}
    found = by_id(groups(any_index, Where(**where)))
    assert {name: group.new for name, group in found.items()} == {"g2-npm": False, "g2-new": True}
    assert (found["g2-npm"].first_seen, found["g2-npm"].count) == (moment(0), 1)
    assert found["g2-new"].first_seen == moment(now)


@pytest.mark.parametrize(
    ("quote", "generic"),
    [
        ("Process completed with exit code 1.", False),  # as version 1 did not know it to be generic
        ("npm error code 1", False),
        ("AssertionError", False),
        (NPM, True),
        ("", False),
    ],
)
def test_what_names_no_cause_makes_no_two_versions_groups_one(
    embedded_index: DocumentIndex, quote: str, generic: bool
) -> None:
    hour = "2026-03-11T05"
    write(
        embedded_index,
        job(1, at=0, fingerprint="f1-a", quote=quote, generic=generic),
        job(2, at=9 * DAY, fingerprint="f2-a", quote=quote or NPM, hour=hour),
    )
    assert [group.new for group in groups(embedded_index, Where(equals={"s_partition": hour}))] == [True]


def test_a_name_that_an_hour_done_again_took_is_found_too(embedded_index: DocumentIndex) -> None:
    """The earlier failure has the new name already; the later hour is
    still of the earlier version.
    """
    hour = "2026-03-11T05"
    write(
        embedded_index,
        job(1, at=0, fingerprint="f2-npm", quote=NPM),
        job(2, at=9 * DAY, fingerprint="f1-npm", quote=NPM, hour=hour),
    )
    (group,) = groups(embedded_index, Where(equals={"s_partition": hour}))
    assert (group.new, group.first_seen) == (False, moment(0))


def test_what_was_usual_under_its_earlier_name_does_not_spike_under_the_new_one(embedded_index: DocumentIndex) -> None:
    week = [
        job(100 * day + n, at=day * DAY, fingerprint="f1-npm", quote=NPM, hour=f"2026-03-{2 + day:02}T05")
        for day in range(7)
        for n in range(40)
    ]
    hour = "2026-03-09T05"
    now = [job(9000 + n, at=7 * DAY + n, fingerprint="f2-npm", quote=NPM, hour=hour) for n in range(5)]
    write(embedded_index, *week, *now)
    (group,) = groups(embedded_index, Where(equals={"s_partition": hour}))
    # 280 failures in the 168 hours before: five in one hour are 3 times as many. Twice as many
    # before, and they are not.
    assert (group.new, group.spiking) == (False, True)
    write(
        embedded_index,
        *(job(20000 + n, at=DAY, fingerprint="f1-npm", quote=NPM, hour="2026-03-03T05") for n in range(280)),
    )
    (group,) = groups(embedded_index, Where(equals={"s_partition": hour}))
    assert (group.new, group.spiking) == (False, False)


def history(runs_now: int, usual_per_day: int, *, generic: bool = False, matrix: int = 1) -> list[Document]:
    made = [job(1, at=0, fingerprint="f1-a", generic=generic)]
    for day in range(1, 8):
        made += [job(100 * day + n, at=day * DAY, fingerprint="f1-a", generic=generic) for n in range(usual_per_day)]
    for n in range(runs_now):
        for leg in range(matrix):
            made.append(job(5000 + n, at=8 * DAY + n, name=f"leg {leg}", fingerprint="f1-a", generic=generic))
    return made


@pytest.mark.parametrize(
    ("documents", "spiking"),
    [
        (history(6, 1), True),
        (history(6, 3), False),  # not three times as many
        (history(4, 0), False),  # too few to say
        (history(6, 0), True),  # back after a quiet week
        (history(1, 0, matrix=20), False),  # one run with many jobs
        (history(9, 1, generic=True), False),
    ],
    ids=["six of one", "six of three", "four of none", "six of none", "one run's matrix", "a generic fingerprint"],
)
def test_a_group_spikes_when_far_more_runs_fail_with_it_than_usual(
    documents: list[Document], spiking: bool, any_index: DocumentIndex
) -> None:
    write(any_index, *documents)
    (group,) = groups(any_index)
    assert (group.spiking, group.new) == (spiking, False)


def test_an_hour_is_compared_with_the_hours_of_the_week_before(embedded_index: DocumentIndex) -> None:
    usual = [job(n, at=n * 60, fingerprint="f1-a", hour=moment(n * 60).strftime("%Y-%m-%dT%H")) for n in range(100)]
    usual += [job(500 + n, at=n * 60, fingerprint="f1-busy", hour=usual[n].body["s_partition"]) for n in range(100)]
    usual += [job(700 + n, at=n * 60, fingerprint="f1-busy", hour=usual[n].body["s_partition"]) for n in range(100)]
    now = moment(100 * 60).strftime("%Y-%m-%dT%H")
    write(embedded_index, *usual)
    write(embedded_index, *(job(1000 + n, at=6000 + n, fingerprint="f1-a", hour=now) for n in range(5)))
    write(embedded_index, *(job(2000 + n, at=6000 + n, fingerprint="f1-busy", hour=now) for n in range(5)))
    found = by_id(groups(embedded_index, Where(equals={"s_partition": now})))
    assert {name: group.spiking for name, group in found.items()} == {"g1-a": True, "g1-busy": False}


def test_nothing_is_no_group(embedded_index: DocumentIndex) -> None:
    write(embedded_index, job(1, status="success"))
    assert groups(embedded_index) == []
