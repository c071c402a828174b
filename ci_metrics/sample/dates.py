"""When the sample happens.

What belongs here: the first and last moments of its two weeks, and its clock's. Does not: what
happens then (`scenario.py`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: The first moment of the last day, a Monday, in which every recording fails.
DAY_START = datetime(2026, 3, 2, tzinfo=UTC)
#: Where the two weeks end.
ENDS = DAY_START + timedelta(days=1)
#: Whole days before the last one.
DAYS_BEFORE = 13
#: The first moment of the two weeks.
BEGINS = DAY_START - timedelta(days=DAYS_BEFORE)
#: A clock that nobody sets stands here: the last hour is closed, one run of it is still going.
OPENS_AT = ENDS + timedelta(minutes=20)
#: Two weeks later: the last re-run is over and nothing changes any more.
SETTLED_AT = DAY_START + timedelta(days=15)
