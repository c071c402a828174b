"""Addresses as people write them into settings: taken apart, and shown without their passwords.

What belongs here: pure functions on addresses. Does not: which settings are
addresses (`settings.py`).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, unquote, urlsplit


def mask_url(url: str) -> str:
    """The address with its password, if any, replaced by ****; also
    where it is no proper address.
    """
    return re.sub(r"^((?:[\w+.-]+://)?[^:/@]*):.*@", r"\1:****@", url)


def is_loopback(url: str) -> bool:
    """Whether an address is this machine: proxies from the environment do not lead
    there, and nobody reads along.
    """
    parts = split_address(url)
    host = (parts.hostname if parts is not None else None) or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def split_address(url: str) -> SplitResult | None:
    """The address in parts; None when it is none (a port that is no
    number, a bracket left open).
    """
    try:
        parts = urlsplit(url)
        return parts if parts.port is None or parts.port else None
    except ValueError:
        return None


def split_index_url(url: str) -> tuple[str, str, tuple[str, str] | None]:
    """`https://user:password@host:9200/name` -> (`https://host:9200`, `name`,
    (user, password) or None).
    """
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return f"{parts.scheme}://{parts.hostname}{port}", parts.path.strip("/"), auth
