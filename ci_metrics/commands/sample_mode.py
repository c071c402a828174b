"""The sample GitHub on loopback for commands that run without any setting.

Belongs here: starting it and pointing the settings at it. Does not: the server (`sample/`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr

from ci_metrics.orchestration.partitions import hour_key, last_closed_hour
from ci_metrics.sample.dates import BEGINS
from ci_metrics.sample.scenario import sample_weeks
from ci_metrics.sample.server import SAMPLE_TOKEN, SampleGitHub
from ci_metrics.settings import Settings


@contextmanager
def serve_sample(settings: Settings) -> Iterator[tuple[Settings, str, str]]:
    """Serve the sample world while the block runs; yields settings that point at it,
    and its first and last hour.
    """
    world = sample_weeks().world
    with SampleGitHub(world) as server:
        yield (
            sample_settings(settings, server.api_url, world.repos),
            hour_key(world.start),
            last_closed_hour(world.end),
        )


def sample_settings(settings: Settings, api_url: str, repos: tuple[str, ...]) -> Settings:
    """The settings with the sample GitHub in place of the real one, and classification on.

    A model is asked about the sample only when classification was switched on, too: a key that
    merely stands in the environment, for other programs, spends nothing.
    """
    return settings.model_copy(
        update={
            "ci_metrics_sample": True,
            "github_api_url": api_url,
            "github_token": SecretStr(SAMPLE_TOKEN),
            "repo": repos,
            "repo_file": None,
            "partitions_start": BEGINS,
            "anthropic_api_key": settings.anthropic_api_key if settings.enable_error_classification else None,
            "enable_error_classification": True,
        }
    )
