"""Tokens: a personal one, a GitHub App's traded and renewed, none of them ever shown."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from functools import cache

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ci_metrics.errors import AuthenticationError, SettingsError, TransientError
from ci_metrics.github import open_github
from ci_metrics.github.auth import AppItself, TokenCredentials
from ci_metrics.sample.faults import Fault
from ci_metrics.sample.scaling import scaled_world
from ci_metrics.sample.server import SampleGitHub
from ci_metrics.sample.server_limits import SampleApp
from ci_metrics.settings import load_settings
from ci_metrics_tests.github.worlds import QUICK, client

WORLD = scaled_world(runs=2, jobs=1)
(NAME,) = WORLD.repos


@cache
def keys() -> tuple[str, str]:
    """An App's private and public key, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def as_app(server: SampleGitHub, key: str | None = None, installation: str = "99") -> dict[str, str]:
    """The environment of somebody who uses the App."""
    return {
        "GITHUB_API_URL": server.api_url,
        "REPO": NAME,
        "GITHUB_APP_ID": "1234",
        "GITHUB_APP_PRIVATE_KEY": key or keys()[0],
        "GITHUB_APP_INSTALLATION_ID": installation,
    }


def app() -> SampleApp:
    """The App as the server knows it."""
    return SampleApp(app_id="1234", installation_id=99, public_key=keys()[1])


@pytest.mark.parametrize("line_breaks", ["\n", "\\n"], ids=["as they are", "as backslash n"])
def test_an_app_trades_its_key_for_a_token_once(line_breaks: str) -> None:
    with SampleGitHub(WORLD, app=app()) as server:
        key = keys()[0].replace("\n", line_breaks)
        with open_github(load_settings(as_app(server, key)), patience=QUICK) as github:
            for _ in range(3):
                assert len(github.runs_created(NAME, WORLD.start, WORLD.end)) == 2
        assert dict(server.stats.total) == {"token": 1, "runs": 3}


def test_an_apps_token_is_renewed_before_it_expires() -> None:
    now, traded = [1_000_000.0], []

    def trade(installation: int, authorization: str) -> tuple[str, datetime]:
        traded.append(now[0])
        return f"ghs_{len(traded)}", datetime.fromtimestamp(now[0] + 3600, UTC)

    credentials = AppItself("1234", keys()[0], trade=trade, now=lambda: now[0]).installation(99)
    seen = []
    for minutes in (0, 30, 54, 56, 80, 115):
        now[0] = 1_000_000.0 + 60 * minutes
        seen.append(credentials.authorization())
    assert seen == ["Bearer ghs_1"] * 3 + ["Bearer ghs_2"] * 2 + ["Bearer ghs_3"]


def test_an_apps_token_that_was_revoked_is_traded_anew_once() -> None:
    with SampleGitHub(WORLD, app=app()) as server, open_github(load_settings(as_app(server)), patience=QUICK) as github:
        github.runs_created(NAME, WORLD.start, WORLD.end)
        server.faults.add(Fault(kind="status", status=401, on="runs"))
        assert len(github.runs_created(NAME, WORLD.start, WORLD.end)) == 2
        assert server.stats.total["token"] == 2
        server.faults.add(Fault(kind="status", status=401, on="runs", times=None))
        with pytest.raises(AuthenticationError, match="GITHUB_APP_PRIVATE_KEY"):
            github.runs_created(NAME, WORLD.start, WORLD.end)
        assert server.stats.total["token"] == 3


def test_a_trade_that_fails_for_ever_costs_no_more_than_one_policys_attempts() -> None:
    with SampleGitHub(WORLD, app=app()) as server, open_github(load_settings(as_app(server)), patience=QUICK) as github:
        server.faults.add(Fault(kind="status", status=502, on="token", times=None))
        with pytest.raises(TransientError):
            github.runs_created(NAME, WORLD.start, WORLD.end)
        assert dict(server.stats.total) == {"token": 5}


def test_a_token_that_expires_on_the_server_is_no_longer_good_there() -> None:
    now = [time.time()]
    with (
        SampleGitHub(WORLD, app=app(), wall=lambda: now[0]) as server,
        open_github(load_settings(as_app(server)), patience=QUICK) as github,
    ):
        github.runs_created(NAME, WORLD.start, WORLD.end)
        now[0] += 4000  # the server's clock is ahead of ours: its 401 makes us trade, and it refuses our JWT
        with pytest.raises(AuthenticationError):
            github.runs_created(NAME, WORLD.start, WORLD.end)


@pytest.mark.parametrize(
    ("key", "installation", "error", "advice"),
    [
        ("not a key", "99", SettingsError, "GITHUB_APP_PRIVATE_KEY.*PEM"),
        ("other", "99", AuthenticationError, "GITHUB_APP_PRIVATE_KEY"),
        ("right", "98", Exception, "404"),
    ],
)
def test_an_app_that_is_set_up_wrong_says_what_to_do(
    key: str, installation: str, error: type[Exception], advice: str
) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    text = {"other": other.decode(), "right": keys()[0]}.get(key, key)
    with (
        SampleGitHub(WORLD, app=app()) as server,
        open_github(load_settings(as_app(server, text, installation)), patience=QUICK) as github,
        pytest.raises(error, match=advice) as caught,
    ):
        github.runs_created(NAME, WORLD.start, WORLD.end)
    assert "PRIVATE KEY-----" not in str(caught.value)


def test_a_wrong_token_says_which_setting_is_wrong() -> None:
    said = r"401 “Bad credentials”.*GITHUB_TOKEN"
    with (
        SampleGitHub(WORLD) as server,
        client(server, GITHUB_TOKEN="ghp_wrong") as github,
        pytest.raises(AuthenticationError, match=said),
    ):
        github.check_repo(NAME)


def test_no_credentials_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="GITHUB_TOKEN: not set"):
        open_github(load_settings({}))


def test_a_token_stands_in_no_repr_no_message_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "ghp_very_secret_token_1234567890"
    kinds = ["break", "cut", "html", "shape", "status", "secondary_limit", "primary_limit"]
    texts = [repr(TokenCredentials(secret)), TokenCredentials(secret).scope]
    with SampleGitHub(WORLD) as server:
        server.gate = type(server.gate)(tokens={secret: "me"}, quota=5000, app=None, wall=time.time)
        for kind in kinds:
            with client(server, GITHUB_TOKEN=secret) as github:
                server.faults.clear()
                server.faults.add(Fault(kind=kind, on="runs", times=None, seconds=1000))  # type: ignore[arg-type]
                texts.append(repr(github))
                with pytest.raises(Exception, match=r".") as caught:
                    github.runs_created(NAME, WORLD.start, WORLD.end)
                texts.append(str(caught.value) + repr(caught.value))
    assert len(texts) == 2 + 2 * len(kinds)
    assert not any(secret in text for text in [*texts, caplog.text])
