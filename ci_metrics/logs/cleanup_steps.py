"""Clean-up steps: they report a failure, keep what it left, or tidy up, and run whatever happened
before them.

Belongs here: a step's name in, whether it is one of those out. Does not: which step a job
failed of (`structure.py`).
"""

from __future__ import annotations

import re

#: Actions that clean up: they run whatever happened before them. By the action's name,
#: without owner and version.
_CARING_ACTION = re.compile(
    r"(?i)(?:^|[/_-])(?:upload|report(?:er|s|ing)?|codecov|coveralls?|publish-(?:unit-)?(?:test|report)\S*|notif\w*|slack|discord|teams|annotat\w*"
    r"|summary|comment\w*|clean\w*|hooks?|hook-extensions|cache|dump)(?:$|[/_.-])"
)
#: The same for commands, and for what steps are called: by how they begin.
_CARING_COMMAND = re.compile(
    r"(?i)^(?:sudo )?(?:cat|ls|tail|head|echo|find|tar|zip|journalctl|dmesg|df|free|ps|printenv|netstat|ss|systemctl status|adb logcat"
    r"|docker(?:-compose| compose) (?:logs|ps|down)|docker (?:logs|ps|images?|inspect|logout|stop|rm)|minikube (?:logs|delete)"
    r"|kind (?:export|delete)|kubectl (?:logs|get|describe)|pip list|npm ls)\b"
)
_CARING_NAME = re.compile(
    r"(?i)^(?:upload(?:ing)?|publish (?:unit )?test|report(?:ing)?|notify|post|annotate|summar(?:y|i[sz]e)|comment|clean(?:[ -]?up)?|tear"
    r"|dump|show|print|collect|gather|capture|archive|save|keep|store|stop|shut ?down|destroy|remove|delete|diagnos\w*"
    r"|slack|discord|codecov)\b"
    r"|\b(?:summary|logs|artifacts?)$"
)
_ACTION = re.compile(r"^(?:\.?/)?[\w.-]+/[\w./-]+(?:@\S+)?$")


def looks_after(name: str, *, column: bool) -> bool:
    """Whether a step of this name runs to tell of a failure or to clean up after it; `column`:
    the name is the workflow's own.
    """
    if column or not name.startswith("Run "):
        return bool(_CARING_NAME.search(name))
    what = name.removeprefix("Run ").strip("'")
    if _ACTION.match(what):
        return bool(_CARING_ACTION.search(what.split("@")[0]))
    return bool(_CARING_COMMAND.match(what))
