"""The switch that writes fixtures anew instead of comparing with them."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rebless",
        action="store_true",
        help="mark the fixtures as the extractor sees them now; look at the difference before you commit",
    )


@pytest.fixture
def rebless(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rebless", default=False))
