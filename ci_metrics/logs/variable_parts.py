"""What varies from run to run in a line, and what a line looks like without it.

Belongs here: one table of forms (times, ids, addresses, sizes, counts, hosts, folders, places in a
file), and what names a cause although it looks like one of them (error codes, HTTP statuses, exit
codes, pinned versions, well-known ports, tests' parameters). Does not: what makes two errors the
same (`fingerprint.py`).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

#: Characters of a line that count; what names a failure stands before them.
LONGEST = 300

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t(?:ember)?)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)"
)
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?"
_UNIT = r"(?:ns|us|µs|ms|s|sec|secs|seconds?|m|min|mins|minutes?|h|hours?|days?)"
_LASTED = rf"\d+(?:[.,]\d+)?\s?{_UNIT}(?=\d|\b)"
#: Ports that say which service is meant; others are given out at random, or by
#: whoever wrote the test.
_SERVICE = r"(?:22|25|80|443|1433|1521|2181|2375|2376|3306|5432|5672|6379|6443|8080|8443|9092|9200|9300|11211|27017)"
_IP = r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}"
#: HTTP's statuses as failures name them.
_STATUS = r"(?:20[0-6]|30[1-8]|40\d|41[0-8]|42[1-9]|431|451|50[0-8]|511|52\d)"
#: Kubernetes makes random names of these letters and digits, which spell no word.
_RANDOM = "[bcdfghjklmnpqrstvwxz2456789]"

#: Name, what a match begins with (`_KINDS`), expression, and what becomes of it: "keep" stays as it
#: is, "" goes, else what stands for it. The first that matches at a place wins.
_RULES: tuple[tuple[str, str, str, str], ...] = (
    # what names the cause and looks like what does not
    (
        "keep",
        "W",
        r"\b(?:exit(?:ed)?(?: with)?(?: an?)?(?: exit)?|return(?:ed)?)(?: code| status)?:? \d{1,3}\b",
        "keep",
    ),
    (
        "status",
        "W",
        r"\b(?:HTTP|http|[Ss]tatus(?: ?[Cc]ode)?|error|code|Error|response)[ :=/(]{1,3}[1-5]\d\d\b(?!\.)"
        rf"|\b(?:expected|got|received|returned|was|not)[ :=]{{1,2}}{_STATUS}\b(?![\w.%])",
        "keep",
    ),
    ("signal", "W", r"\bsignal \d{1,2}\b", "keep"),
    ("errno", "W", r"\b[Ee]rrno[ =:]{1,2}-?\d+|\bcode ?= ?\d+", "keep"),
    ("key", "W", r"\bNO_PUBKEY [0-9A-F]+", "keep"),
    ("advisory", "T", r"\b[A-Z]{2,8}-20\d\d-\d{1,7}\b", "keep"),
    ("port", "W", rf"\b(?:port[ =:]{{1,2}}|localhost:){_SERVICE}\b", "keep"),
    ("test", "T", r"\b[\w./-]+\.py::[\w:]+\[(?![^\]]*0x)[^\]\s]*\]", "keep"),
    ("stamped", "T", r"\b[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ", ""),
    (
        "labelled",
        "W",
        r"\b((?i:(?:x-)?(?:(?:github|amzn?|ms|client)-)?(?:request|trace|correlation|span|host|session|transaction|activity|operation"
        r"|invocation|deployment|execution|build|job|run|task|container|tracking)[-_ ]?ids?))[\"']?(?:\s*[:=]\s*|\s+)[\"']?"
        r"(?=[\w:/+=.@-]*\d)[\w:/+=.@-]{4,}",
        r"\1 <id>",
    ),
    ("groups", "DT", r"\b(?=[0-9A-F:]*[A-F])(?:[0-9A-F]{2,12}:){2,}[0-9A-F]{2,12}\b(?!:)", "<id>"),
    ("code", "T", r"\b[A-Z]{1,8}-?\d{2,5}\b(?![.-]\d)", "keep"),
    # what varies
    ("stamp", "D", r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?", "<time>"),
    (
        "filed",
        "D",
        r"\b\d{4}-\d\d-\d\d[T_-]\d\d[_.-]\d\d[_.-]\d\d(?:[_.-]\d{1,6})?Z?(?:-debug(?:-\d)?)?|\b20\d{6}[T_-]?\d{4,}Z?\b",
        "<time>",
    ),
    (
        "dated",
        "DW",
        r"\b(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? )?"
        rf"(?:\d{{1,2}}[ -]{_MONTH}|{_MONTH} \d{{1,2}})\b,?(?:[ -]20\d\d\b)?,?(?:(?: at)? {_CLOCK})?"
        r"(?: [AP]M)?(?: (?:UTC|GMT|CES?T|[ECMP][DS]T|BST|IST)\b)?(?: [+-]\d{4})?(?: 20\d\d\b)?(?: GMT| UTC)?",
        "<time>",
    ),
    ("clock", "D", r"\b\d{1,2}:\d\d:\d\d(?:[.,]\d+)?(?: ?[AP]M)?\b", "<time>"),
    ("date", "D", r"\b\d{4}[-/]\d\d[-/]\d\d\b", "<time>"),
    ("uuid", "DT", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<id>"),
    ("digest", "T", r"\bsha(?:1|256|512)[:-][0-9A-Za-z+/=]{16,}", "<id>"),
    ("address", "D", r"\b0x[0-9a-fA-F]+\b", "<id>"),
    ("service", "D", rf"{_IP}(:{_SERVICE})\b", r"<host>\1"),
    ("ip", "D", rf"{_IP}(?::\d{{1,5}}|/\d{{1,2}}\b)?(?![\w.]\d)", "<host>"),
    ("ip6", "DTS", r"(?<![\w:])\[?(?:[0-9a-f]{1,4}:){3,7}(?::|[0-9a-f]{1,4})\]?(?::\d{2,5})?", "<host>"),
    ("runner", "T", r"\b(?:fv-az|ip-\d|runner-|i-0)[\w.-]*\d[\w.-]*", "<host>"),
    ("revision", "T", r"\b([a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*)-\d{5}-[a-z]{3}\b", r"\1-<id>"),
    (
        "pod",
        "T",
        r"\b([a-z][a-z0-9]*(?:-[a-z0-9]+)*?)"
        rf"(?:-{_RANDOM}{{8,10}}-{_RANDOM}{{5}}\b|(?:-[a-z0-9]{{8,10}})?-(?=[a-z0-9]{{0,4}}\d)[a-z0-9]{{5}}\b)(?!\.\w{{1,4}}:)",
        r"\1-<id>",
    ),
    ("derived", "P", r"\b(DerivedData/[\w.+]{1,60})-[a-z]{28}\b", r"\1-<id>"),
    ("crash", "T", r"\b(hs_err_pid|core\.|npm-debug\.log\.)\d+", r"\1<n>"),
    (
        "suffixed",
        "T",
        r"\b((?:[A-Za-z][A-Za-z0-9]*[_-]){1,8})(?:\d{8,}|(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,64})\b",
        r"\1<id>",
    ),
    ("glued", "T", r"\b([a-z]{2,5})(?=(?:[a-f]*\d){4})[0-9a-f]{11,16}\b", r"\1<id>"),
    ("made", "P", r"\b(molecule|te?mp)[._-](?=\w*[A-Z0-9])\w{4,16}\b", r"\1.<id>"),
    (
        "temp",
        "S",
        r"(?:/private)?/(?:tmp|var/folders/\w\w|var/tmp|dev/shm)/[^\s:'\",)\]]*(?=/)|(?:/private)?/(?:tmp|var/folders)/[^\s:'\",)\]]+",
        "<tmp>",
    ),
    ("wintemp", "P", r"[A-Za-z]:\\(?:Users\\[^\\\s]+\\AppData\\Local\\)?Te?mp\\[^\s:'\",)\]]+", "<tmp>"),
    (
        "workspace",
        "PS",
        r"/home/runner/work/[^/\s]+/[^/\s]+/|/Users/runner/work/[^/\s]+/[^/\s]+/|/__w/[^/\s]+/[^/\s]+/|/github/workspace/"
        r"|[A-Z]:\\a\\[^\\\s]+\\[^\\\s]+\\|/home/travis/build/[^/\s]+/[^/\s]+/|/(?:var/lib/jenkins|builds)/workspace/[^/\s]+/"
        r"|/actions-runner/_work/[^/\s]+/[^/\s]+/|/home/circleci/[^/\s]+/|/builds/[^/\s]+/[^/\s]+/",
        "",
    ),
    ("nix", "S", r"/nix/store/[a-z0-9]{32}-", "/nix/store/"),
    ("home", "PS", r"(?:/home|/Users)/[^/\s]+/|/root/|[A-Z]:\\Users\\[^\\\s]+\\", "~/"),
    (
        "worker",
        "WS",
        r"\[gw\d+\]|\bgw\d+\b|\bworker[ -]?\d+\b(?!-)|\b(?:thread|process)[ -]\d+\b(?!-[0-9a-f]{4}-)"
        r"|\bpid[ :=]+\d+|\bPID<[\d.]+>|==\d+==|\(\d{3,}\)",
        "<worker>",
    ),
    ("size", "D", r"\b\d+(?:[.,]\d+)*\s?(?:[KMGT]i?B|bytes|[kKMGT]b|B)\b", "<size>"),
    ("time", "D", rf"\b{_LASTED}(?:\s?{_LASTED})*", "<time>"),
    (
        "version",
        "DT",
        r"(?<![\w.])v?\d+\.\d+(?:\.\d+)*(?:[-+.]?(?:rc|alpha|beta|dev|post|SNAPSHOT|a|b)[\w.]*)?(?=[\s,;:)\]'\"}=<>!~]|$|-)",
        "version",
    ),
    ("pinned", "DT", r"(?<=@)v?\d[\w.+-]*|(?<===)v?\d[\w.+-]*|(?<==)v?\d+\.[\w.+-]*", "keep"),
    ("pretty", "S", r"(?<=[\w)\]'\"]):\d+:\d+ -(?= (?:error|warning))", ":<n>:"),
    (
        "place",
        "WS",
        r"(?<=[\w)\]'\"]):\d+(?::\d+)?(?=[:\s,)\]]|$)|\bline \d+(?:,? col(?:umn)? \d+)?|\((?:\d+,\d+|\d+:\d+)\)|:\[\d+,\d+\]|, character(?:s)? \d+(?:-\d+)?",  # noqa: E501
        ":<n>",
    ),
    ("hash", "DT", r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b", "<id>"),
    ("token", "DT", r"\b(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z0-9]{16,64}\b", "<id>"),
    ("number", "DS", r"(?<![\w.])[-+]?\d+(?:[.,]\d+)*(?![\w.])", "<n>"),
)
#: What begins a match, and what is looked at before any rule of the kind is tried: nearly every
#: place in a text is ruled out by that.
_KINDS = {
    "D": r"(?=\d)",  # a digit
    "T": r"(?=[A-Za-z][^\d\s]*\d)",  # a token that begins with a letter and holds a digit
    "W": r"(?=[A-Za-z][^\d]{0,44}\d)",  # a word before a number
    "P": r"(?=[A-Za-z]:\\|DerivedData/|molecule[._-]|te?mp[._-])",  # a drive, or a word before a random name
    "S": r"(?=[/\[(:,=+-])",
}


#: Few texts hold a drive or a random name without a digit, and those without any
#: digit nothing but places.
_ALL, _COMMON, _PLACES = "DTWPS", "DTWS", "PS"


@cache  # each takes longer to compile than a small log to read, and few logs need all
def _combined(kinds: str) -> re.Pattern[str]:
    """The rules of these kinds in one expression, in order within a kind. Inside a word only a
    drive letter begins anything.
    """
    branches = []
    for kind in kinds:
        # Where a rule begins is where a word begins, so that it need not ask.
        rules = (
            f"(?P<{kind}{i}>{rule[2].removeprefix(chr(92) + 'b')})" for i, rule in enumerate(_RULES) if kind in rule[1]
        )
        branches.append(f"{_KINDS[kind]}(?:{'|'.join(rules)})")
    return re.compile((r"(?:(?!\B\w)|(?=[A-Za-z]:\\))" if "P" in kinds else r"(?!\B\w)") + f"(?:{'|'.join(branches)})")


_RARE = re.compile(r"[\\/]|molecule|te?mp")
_DIGIT = re.compile(r"\d")
_FRONT = re.compile(
    r"^(?:##\[\w+\]|[\s>|*=#+_✖✗✘×❌●-]+|\d+\) |E\s{2,}|\[(?:ERROR|error|FAIL|E)\]\s*"
    r"|(?:ERROR|Error|error|FATAL|fatal)\s*:\s*(?=\S*(?:Error|error|fatal|FAIL)))+"
)
#: What is no part of a headline where it stands at the end: white space and ornament.
_TAIL = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "=_*#.…-"
#: When it was said is no part of what was said.
_WHEN = re.compile(r"^(?:[\[(]?<time>[\])]?[ :|,-]*)+(?=\S)")


def without_ornament(text: str) -> str:
    """A line's first `LONGEST` characters without the ornament around them;
    nothing in it is made alike.
    """
    text = text[:LONGEST].strip()
    if found := _FRONT.match(text):
        text = text[found.end() :]
    return " ".join(text.rstrip(_TAIL).split())


@lru_cache(maxsize=128)  # a flood says the same again and again
def normalised(text: str) -> str:
    """`text` without what varies from run to run."""
    text = without_ornament(text)
    rare = _RARE.search(text)
    if _DIGIT.search(text):
        text = _combined(_ALL if rare else _COMMON).sub(_replaced, text)
    elif rare:
        text = _combined(_PLACES).sub(_replaced, text)
    return _WHEN.sub("", text) if "<time>" in text[:8] else text


def _replaced(found: re.Match[str]) -> str:
    number = int((found.lastgroup or "")[1:])  # each rule is a named group, and nothing around it is one
    instead = _RULES[number][3]
    text = found.group(0)
    if instead == "keep":
        return text
    if instead == "version":  # a measured 12.5 is no version; 1.2.3, v2.0 and ==1.2 are
        return (
            text
            if text.count(".") > 1
            or text[0] == "v"
            or found.string[: found.start()].endswith(("=", "@", "-", "version "))
            else "<n>"
        )
    if "\\" in instead:
        return _own(number).sub(instead, text)
    return instead


@cache
def _own(number: int) -> re.Pattern[str]:
    """One rule by itself."""
    return re.compile(_RULES[number][2])
