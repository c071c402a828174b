"""Sending one JSON message to a webhook.

What belongs here: the request, its errors. Does not: the message. The address is a secret:
it is in no error's text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from ci_metrics.errors import PermanentError, TransientError
from ci_metrics.retrying import RetryPolicy, retrying

#: Seconds for one request.
TIMEOUT = 10.0

_RETRIES = RetryPolicy(attempts=3, first_wait=0.2, longest_wait=3.0)


def send(url: str, message: Mapping[str, Any]) -> None:
    """Post the message. Raises TransientError when it should be tried later, PermanentError
    when the address refuses it.
    """
    retrying(_RETRIES)(lambda: _send(url, message))


def _send(url: str, message: Mapping[str, Any]) -> None:
    try:
        response = httpx.post(url, json=message, timeout=TIMEOUT)
    except (httpx.TransportError, httpx.InvalidURL) as error:
        # Its text would hold the address.
        raise TransientError(f"the webhook did not answer ({type(error).__name__})") from None
    if response.status_code == 429 or response.status_code >= 500:
        raise TransientError(f"the webhook answered {response.status_code}")
    if not response.is_success:
        raise PermanentError(f"the webhook refused the message ({response.status_code}). Check ALERT_WEBHOOK_URL")
