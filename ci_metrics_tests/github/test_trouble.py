"""Trouble: limits are waited out in bounds, what passes is asked again, what does
not pass says what to do.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from ci_metrics.errors import (
    AuthenticationError,
    CiMetricsError,
    NotFoundError,
    PermanentError,
    RateLimitedError,
    TransientError,
)
from ci_metrics.github import open_github
from ci_metrics.github.answers import error_of, joined, json_of, next_of, origin, shown_address, wait_asked_for
from ci_metrics.github.rate_limits import Patience, shared_limiter
from ci_metrics.limits import Limiter
from ci_metrics.sample.faults import Fault, FaultKind
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics_tests.github.worlds import FakeTime, client, settings_for

WORLD = scaled_world(runs=3, jobs=2, failure_share=0.5)
(NAME,) = WORLD.repos


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 502, "times": 4},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 408},
        {"kind": "break"},
        {"kind": "break", "times": 3},
        {"kind": "cut"},
        {"kind": "html"},
        {"kind": "shape"},
    ],
    ids=str,
)
def test_trouble_that_passes_costs_a_repetition_and_nothing_else(fault: dict[str, object]) -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.faults.add(Fault(on="runs", **fault))  # type: ignore[arg-type]
        found = github.runs_created(NAME, WORLD.start, WORLD.end)
        assert len(found) == 3
        assert github.requests.retried == fault.get("times", 1)


@pytest.mark.parametrize("kind", ["status", "break", "cut", "html", "shape"])
def test_trouble_that_does_not_pass_ends_in_an_error_and_never_in_an_empty_list(kind: FaultKind) -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.faults.add(Fault(kind=kind, on="runs", status=502, times=None))
        with pytest.raises(TransientError):
            github.runs_created(NAME, WORLD.start, WORLD.end)
        assert github.requests.total == 5


def test_a_proxys_page_is_named_as_what_it_is() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.faults.add(Fault(kind="html", on="runs", times=None))
        with pytest.raises(TransientError, match=r"text/html.*JSON was expected.*Sign in to continue.*proxy"):
            github.runs_created(NAME, WORLD.start, WORLD.end)


def test_nobody_there_is_a_passing_error_that_names_the_host() -> None:
    server = SampleGitHub(WORLD)
    server.stop()
    with client(server) as github, pytest.raises(TransientError, match=r"127\.0\.0\.1"):
        github.check_repo(NAME)


@pytest.mark.parametrize("kind", ["drip", "drip_head", "hang"])
def test_an_answer_that_comes_byte_by_byte_or_not_at_all_is_given_up_in_time(kind: FaultKind) -> None:
    with SampleGitHub(WORLD) as server, client(server, grace=0.2) as github:
        server.faults.add(Fault(kind=kind, on="runs", times=None, seconds=0.02 if kind != "hang" else 3))
        began = time.monotonic()
        with pytest.raises(TransientError, match="timed out" if kind == "hang" else "too slow to wait for the end"):
            github.runs_created(NAME, WORLD.start, WORLD.end)
        assert time.monotonic() - began < 14  # five times, a whole second each at most, on a busy machine


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (401, AuthenticationError, "set a valid GITHUB_TOKEN"),
        (403, AuthenticationError, "needs to read Actions, Checks"),
        (404, NotFoundError, "check REPO and the token"),
        (410, NotFoundError, "gone"),
        (422, PermanentError, "422"),
        (451, PermanentError, "451"),
    ],
)
def test_what_cannot_pass_is_asked_once_and_says_what_to_do(
    status: int, error: type[CiMetricsError], advice: str
) -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.faults.add(Fault(kind="status", status=status, on="runs", times=None))
        with pytest.raises(error, match=advice) as caught:
            github.runs_created(NAME, WORLD.start, WORLD.end)
        assert github.requests.total == 1
        assert server.token not in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        ({"kind": "secondary_limit", "seconds": 40, "status": 403}, (40, 40)),
        ({"kind": "secondary_limit", "seconds": 40, "status": 429}, (40, 40)),
        ({"kind": "secondary_limit", "status": 403}, (60, 60)),
        ({"kind": "secondary_limit", "status": 403, "times": 2}, (180, 180)),  # a minute, then two
        ({"kind": "primary_limit", "seconds": 100}, (100, 103)),
    ],
    ids=str,
)
def test_a_limit_is_waited_out_as_long_as_github_says(fault: dict[str, object], waited: tuple[int, int]) -> None:
    time = FakeTime()
    with SampleGitHub(WORLD) as server, client(server, time=time) as github:
        server.faults.add(Fault(on="runs", **fault))  # type: ignore[arg-type]
        assert len(github.runs_created(NAME, WORLD.start, WORLD.end)) == 3
    assert waited[0] <= time.slept <= waited[1]


@pytest.mark.parametrize(
    ("fault", "retry_after"),
    [
        ({"kind": "primary_limit", "seconds": 3000}, 3000),
        ({"kind": "secondary_limit", "seconds": 301}, 301),
        ({"kind": "secondary_limit", "seconds": 20, "times": None}, 60),  # again and again: 300 s in all, then enough
        ({"kind": "secondary_limit", "seconds": 0, "times": None}, 60),
        ({"kind": "secondary_limit", "times": None}, 240),
    ],
    ids=str,
)
def test_a_limit_that_lasts_longer_than_we_wait_is_an_error_that_says_when_to_come_back(
    fault: dict[str, object], retry_after: float
) -> None:
    time = FakeTime()
    with SampleGitHub(WORLD) as server, client(server, time=time) as github:
        server.faults.add(Fault(on="runs", **fault))  # type: ignore[arg-type]
        with pytest.raises(RateLimitedError) as caught:
            github.runs_created(NAME, WORLD.start, WORLD.end)
    assert retry_after <= caught.value.retry_after <= retry_after + 3
    assert time.slept <= 300


@pytest.mark.parametrize("reset", [-(10**9), 0], ids=["decades ago", "at once"])
def test_a_limit_that_is_over_by_what_is_said_and_is_not_is_given_up_soon(reset: int) -> None:
    waiting = FakeTime()
    with SampleGitHub(WORLD) as server, client(server, time=waiting) as github:
        server.faults.add(Fault(kind="primary_limit", seconds=reset, on="runs", times=None))
        with pytest.raises(RateLimitedError) as caught:
            github.runs_created(NAME, WORLD.start, WORLD.end)
        asked = server.stats.total.total()
        with pytest.raises(RateLimitedError):
            github.runs_created(NAME, WORLD.start, WORLD.end)
        assert server.stats.total.total() == asked, "nothing is sent while the limit's end is not known"
    assert caught.value.retry_after == 3600
    assert waiting.slept <= 20


def test_while_a_long_pause_is_on_no_request_is_sent_at_all() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.faults.add(Fault(kind="primary_limit", seconds=3000, on="runs"))
        for _ in range(5):
            with pytest.raises(RateLimitedError):
                github.runs_created(NAME, WORLD.start, WORLD.end)
        assert server.stats.total.total() == 1


def test_all_waits_of_a_client_together_are_bounded() -> None:
    time = FakeTime()
    with SampleGitHub(WORLD) as server, client(server, time=time, patience=Patience(300, 1000, 0.01)) as github:
        server.faults.add(Fault(kind="secondary_limit", seconds=200, on="runs", times=None, every=2))
        met = 0
        for _ in range(20):
            try:
                github.runs_created(NAME, WORLD.start, WORLD.end)
            except RateLimitedError:
                met += 1
        assert met == 16  # four times 200 s were waited out
    assert time.slept == 800


def test_the_last_request_of_the_quota_pauses_before_github_has_to_refuse() -> None:
    now, time = [1_000_000.0], FakeTime()
    with SampleGitHub(WORLD, quota=3, wall=lambda: now[0]) as server, client(server, time=time) as github:
        for _ in range(3):
            github.runs_created(NAME, WORLD.start, WORLD.end)
        with pytest.raises(RateLimitedError, match="3601 s"):
            github.runs_created(NAME, WORLD.start, WORLD.end)
        assert server.stats.total["runs"] == 3
        now[0] += 3600
        time.now += 3601
        assert len(github.runs_created(NAME, WORLD.start, WORLD.end)) == 3


@pytest.mark.parametrize(
    ("status", "headers", "message", "expected"),
    [
        (200, {}, "", None),
        (403, {}, "Resource not accessible by personal access token", None),
        (403, {"retry-after": "7"}, "", 7.0),
        (429, {"retry-after": "0"}, "", 0.0),
        (429, {}, "", 60.0),
        (403, {}, "You have exceeded a secondary rate limit", 60.0),
        (403, {}, "You have triggered an abuse detection mechanism", 60.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1760000100", "date": "Thu, 09 Oct 2025 08:53:20 GMT"}, "", 101.0),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1", "date": "Thu, 09 Oct 2025 08:53:20 GMT"}, "", 1.0),
        (403, {"x-ratelimit-remaining": "12", "x-ratelimit-reset": "1760000100"}, "no", None),
    ],
)  # fmt: skip
def test_headers_say_how_long_to_wait(
    status: int, headers: dict[str, str], message: str, expected: float | None
) -> None:
    assert wait_asked_for(httpx.Response(status, headers=headers, json={"message": message})) == expected


def test_no_more_requests_at_once_than_the_limiter_allows_and_none_above_its_rate() -> None:
    time = FakeTime()
    limiter = Limiter(concurrency=3, per_minute=50, clock=time, sleep=time.sleep)
    inside, most, starts, lock = 0, 0, [], threading.Lock()

    def one(_: int) -> None:
        nonlocal inside, most
        with limiter.slot(300):
            with lock:
                inside += 1
                most = max(most, inside)
                starts.append(time.now)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(200)))
    assert most <= 3
    starts.sort()
    assert all(later - earlier >= 59 for earlier, later in zip(starts, starts[50:], strict=False))


def test_two_clients_of_one_identity_share_their_limits() -> None:
    with SampleGitHub(WORLD) as server:
        settings = settings_for(server)
        with open_github(settings) as one, open_github(settings) as two:
            server.faults.add(Fault(kind="primary_limit", seconds=3000, on="runs"))
            for github in (one, two):
                with pytest.raises(RateLimitedError):
                    github.runs_created(NAME, WORLD.start, WORLD.end)
            assert server.stats.total["runs"] == 1
    assert shared_limiter("https://a", "me") is shared_limiter("https://a", "me")
    assert shared_limiter("https://a", "me") is not shared_limiter("https://a", "you")


def test_requests_are_counted_by_what_they_cost() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        before = github.requests
        github.runs_created(NAME, WORLD.start, WORLD.end)
        (quota,) = github.rate_limits([NAME])
        spent = github.requests - before
        assert (spent.total, spent.counted, spent.not_modified, spent.retried) == (2, 1, 0, 0)
        assert spent.by_kind == {"rate_limit": 1, "runs": 1}
        assert (quota.limit, quota.remaining, spent.remaining) == (5000, 4999, 4999)
        assert spent.counted == server.stats.counted.total()


def test_a_server_without_rate_limits_says_none() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        server.faults.add(Fault(kind="status", status=404, on="rate_limit"))
        assert github.rate_limits([NAME]) == []


def test_a_check_of_the_repository_says_what_the_token_sees() -> None:
    with SampleGitHub(WORLD) as server, client(server) as github:
        seen = github.check_repo(NAME)
        assert (seen.repo, seen.private, seen.runs) == (NAME, False, 3)
        with pytest.raises(NotFoundError, match="check REPO"):
            github.check_repo("acme/nothing")


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("", None),
        ('<https://a/?page=2>; rel="next", <https://a/?page=9>; rel="last"', "https://a/?page=2"),
        ('<https://a/?page=1>; rel="prev", <https://a/?page=1>; rel="first"', None),
        ('<https://a/?page=1>; rel="prev", <https://a/?page=3&x=a,b>; rel="next"', "https://a/?page=3&x=a,b"),
        ("<https://a/2>; rel=next", "https://a/2"),
    ],
)
def test_the_next_page_is_found_in_the_link_header(link: str, expected: str | None) -> None:
    assert next_of(link) == expected


TOKEN = "ghp_" + "a1B2" * 9  # as GitHub forms them, made up: it opens nothing


@pytest.mark.parametrize(
    ("headers", "longest"),
    [
        ({"retry-after": "nan"}, 60),
        ({"retry-after": "inf"}, 86_400),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "Fri, 99 Zzz 99999 99:99:99 GMT"}, 60),
        ({"retry-after": "9" * 400}, 86_400),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "\u00b2"}, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 5000}, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "999999999999", "date": "Fri, 31 Dec 99999"}, 3_601),
    ],
    ids=str,
)
def test_no_header_makes_the_wait_endless(headers: dict[str, str], longest: float) -> None:
    given = [(name.encode(), text.encode("latin-1")) for name, text in headers.items()]
    wait = wait_asked_for(httpx.Response(429, headers=given))
    assert wait is not None
    assert 0 <= wait <= longest


@pytest.mark.parametrize("status", [401, 403, 404, 422, 500])
def test_what_an_error_quotes_of_an_answer_holds_no_secret_and_is_one_printable_line(status: int) -> None:
    said = f"Bad token {TOKEN}\n\x1b[31m\x00" + "x" * 10_000
    error = str(
        error_of(httpx.Response(status, json={"message": said}), f"https://api.github.com/repos/{TOKEN}/x?sig=1")
    )
    page = f"<html>\n<a href='https://user:{TOKEN}@proxy/'>{TOKEN}</a>"
    with pytest.raises(TransientError) as caught:
        json_of(httpx.Response(200, text=page, headers={"content-type": f"text/html; token={TOKEN}"}), "https://a/b")
    for text in (error, str(caught.value)):
        assert TOKEN not in text
        assert "sig=1" not in text
        assert text.isprintable()
        assert len(text) < 2_500


@pytest.mark.parametrize(
    "target", ["http://[", "http://a:b/", "//", "", "\x7f", "file:///etc/passwd", "http://127.0.0.1:1/x"]
)
def test_an_address_that_is_none_is_an_error_by_name(target: str) -> None:
    link = f'<{target}>; rel="next"'
    assert next_of(link) == (target or "")
    for address in (target, joined("https://api.github.com/x", target)):
        assert origin(address) != ("https", "api.github.com", 443)
        assert shown_address(address).isprintable()


def test_json_without_end_and_numbers_without_end_are_no_crash() -> None:
    with pytest.raises(TransientError, match="JSON was expected"):
        json_of(
            httpx.Response(200, content=b"[" * 200_000, headers={"content-type": "application/json"}), "https://a/b"
        )
    long = httpx.Response(200, content=b"[" + b"7" * 9_999 + b"]", headers={"content-type": "application/json"})
    value = json_of(long, "https://a/b")
    assert isinstance(value, list)
    assert value[0] > 2**64
