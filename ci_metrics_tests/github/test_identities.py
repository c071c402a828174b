"""An App on several accounts: each account is asked with its own installation's token, and has
its own quota.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from ci_metrics.errors import AuthenticationError, NotFoundError
from ci_metrics.github import GitHub, open_github
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.server_limits import SampleApp
from ci_metrics.sample.world import World
from ci_metrics.settings import load_settings
from ci_metrics_tests.github.test_auth import keys
from ci_metrics_tests.github.worlds import QUICK, at, attempt, client, job, run, world

REPOS = ("acme/web", "acme/attic", "octo/widgets", "ann/notes")


def accounts() -> World:
    """A run of each repository; one repository is archived, one account a person's."""
    runs = (
        run(n, [attempt(1, [job(n * 10, "test")])], repo=repo, head_repo=repo, check_suite_id=n)
        for n, repo in enumerate(REPOS, start=1)
    )
    return replace(world(*runs), archived=frozenset({"acme/attic"}), people=frozenset({"ann"}))


def as_app(server: SampleGitHub, *, repos: str) -> GitHub:
    environ = {"GITHUB_API_URL": server.api_url, "REPO": repos, "GITHUB_APP_ID": "1234"}
    settings = load_settings({**environ, "GITHUB_APP_PRIVATE_KEY": keys()[0]})
    return open_github(settings, patience=QUICK)


def app(**owners: int) -> SampleApp:
    return SampleApp(app_id="1234", owners=owners, public_key=keys()[1])


def test_each_account_is_asked_as_its_own_installation_which_the_app_finds() -> None:
    server = SampleGitHub(accounts(), app=app(acme=7, octo=8), quota=3)
    with server, as_app(server, repos="acme/web,octo/widgets") as github:
        for repo in ("acme/web", "octo/widgets", "ACME/web".lower()):
            assert len(github.runs_created(repo, at(0), at(60))) == 1
        assert dict(server.stats.total) == {"installations": 1, "token": 2, "runs": 3}
        left = [quota.remaining for quota in github.rate_limits(["acme/web", "octo/widgets"])]
        assert left == [1, 2], "two requests for acme, one for octo: neither takes from the other's quota"


def test_an_account_without_the_app_is_named_with_those_that_have_it() -> None:
    said = r"The GitHub App 1234 is not installed on octo \(it is on: acme\)"
    with SampleGitHub(accounts(), app=app(acme=7)) as server, as_app(server, repos="octo/widgets") as github:
        assert len(github.runs_created("acme/web", at(0), at(60))) == 1
        with pytest.raises(AuthenticationError, match=said):
            github.runs_created("octo/widgets", at(0), at(60))


def test_repositories_of_an_account_come_without_archived_ones() -> None:
    with SampleGitHub(accounts(), app=app(acme=7, octo=8)) as server:
        with client(server) as github:
            assert github.repositories("acme") == ["acme/web"]
            assert github.repositories("ann") == ["ann/notes"], "a person's account is no organisation"
            with pytest.raises(NotFoundError):
                github.repositories("nobody")
        with as_app(server, repos="acme/*") as github:
            assert github.repositories("acme") == ["acme/web"]
            assert github.repositories("octo") == ["octo/widgets"]


def test_a_listing_of_repositories_that_fails_is_no_empty_one() -> None:
    with SampleGitHub(accounts()) as server, client(server) as github:
        server.faults.add(Fault(kind="status", status=500, on="repositories", times=None))
        with pytest.raises(Exception, match="500"):
            github.repositories("acme")
