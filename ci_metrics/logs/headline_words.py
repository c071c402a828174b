"""What a headline says of a cause: nothing, a kind of failure in a tool's fixed words,
or the thing that is wrong.

Belongs here: words and forms that any failure of a tool could have. Does not: what varies from run
to run (`variable_parts.py`).

Two questions. `says_nothing`: "Process completed with exit code 1", "=== FAILURES ===", "3 failed,
20 passed" head thousands of failures of different causes; most of them need no message of the
catalogue, because every word of theirs is one that any failure could say. `names_a_thing`: "Input
required and not supplied: token" says what is wrong, in words that every project's log would say; a
quoted value, a path, a symbol, a package with its version are of one project.
"""

from __future__ import annotations

import re

#: Roles of lines that never name a cause themselves. `source` is a line of code, `echo` a
#: command, `hint` advice.
NAMELESS_ROLES = frozenset(
    {"title", "count", "epilogue", "frame", "echo", "banner", "status", "exit", "pass", "hint", "step-start", "source"}
)

#: Words that say that something failed, was run, was counted, or where to look; of tools only those
#: that run others. A headline of nothing else says nothing. What is not here is what tells causes
#: apart: memory, space, timeout, denied, refused, syntax …
_ANY_FAILURES_WORDS = """
    a abort aborted aborting about above action actions after again all also an and any are as assertion assertions at
    auto automatically bash bazel be because been before below broken build builder building buildkit builds buildx
    bun but by bye can cancel canceled cancelled cargo check checked checks cmake code command commands compilation
    compile compiling complete completed completely compose could ctest cypress details did do docker done dotnet due
    duration during elapsed elifecycle emitted encountered end ended ending entry err errno error errors eslint
    example examples exception exceptions executed exit exited exiting expectation expectations expected fail failed
    failing fails failure failures fatal few file files filtered finish finished fix fixable fixed flaky following for
    format formatted formatting found from full further gcs general gmake goal got gradle gradlew h had halted has
    have help here i if ignored in inconclusive info information is issue issues it its jest job jobs js karma last
    lerna lifecycle lint linter linting list log logs look m main make maven measured min minute minutes mix mocha
    module modules more ms msbuild mvn next ninja no non not nothing nox npm npx nx obsolete occurred of off oh ok on
    one ones only oops operation option or other others our out output pass passed passing pending phpunit playwright
    please pnpm point post potentially pre prettier previous problem problems process program pytest rake ran reason
    report reports rerun result results retried retries retry return returned rspec run runner running runs s sbt
    scenario scenarios script scripts sec second seconds secs see sh skip skipped snapshot snapshots some something
    sorry source stacktrace stage start status step steps still stop stopped stopping style subcommand subprocess
    succeed successful successfully suite suites summary target targets task tasks terminated termination test tests
    than that the there these they this threshold time to todo took total tox try turbo unexpected unittest
    unsuccessful up updater vitest warn warning warnings was we went were what which while will with without workflow
    would write written wrong yarn you your zero
"""
_EMPTY = frozenset(_ANY_FAILURES_WORDS.split())
_WORD = re.compile(
    r"[^\W\d_]+(?:['’][a-z]+)?"
)  # words; digits, signs and what is glued to digits by them say nothing more

#: What holds no word of three letters is a drawing, a table's row or a dump.
_SPELLED = re.compile(r"[^\W\d_]{3}")
#: A word with an underscore, a slash, a dot or a digit inside is a name, whatever its parts.
_NAME = re.compile(r"[A-Za-z]\w*_\w|\w/\w|[A-Za-z]\.[A-Za-z]\w|[A-Za-z]\d{2,}|::|\w@\w")

#: Forms that say nothing, although a word in them is a name: of a step, a target, a package that
#: was being built or run. Each is asked only of texts that begin with one of its words.
_FORMS = re.compile(
    r"""(?:
      (?:g?make|mingw32-make)(?:\[\d+\])?:\ \*\*\*\ .{0,160}(?:error\ \d+|unfinished\ jobs|killed|terminated|interrupt)\W*
    | (?:the\ )?(?:process|command|script|program|executable|task)?\W{0,3}['"`].{1,240}['"`]\ (?:command\ )?(?:has\ )?
      (?:failed|exited|returned|terminated|died|completed)
      (?:\ (?:with|and|because|during|abnormally|an?|exited|non-?zero|code|exit|status|error|of)){0,6}(?:\W{0,3}\d+(?:\ during)?)?\W*
    | (?:\d+\ )?(?:\w+\ )?(?:err(?:or)?\W{1,3})?(?:.{0,60}?\ )?process\ .{1,240}\ did\ not\ complete\ successfully.{0,40}
    | error:\ (?:could\ not\ compile|aborting\ due|test\ failed,\ to\ rerun|script\ ["'`]?[\w:.-]+["'`]?\ exited).{0,160}
    | for\ more\ information\ about\ .{0,80}
    | execution\ failed\ for\ task\ \S+ | (?:>\ )?task\ \S+\ failed | job\ \S+\ (?:failed|encountered).{0,60}
    | failed\ to\ execute\ goal\ .{1,200}:\ (?:compilation\ failure|there\ (?:are|were)\ test\ failures)\b.{0,60}
    | dockerfile[\w.-]*:\d+\W*
    | (?:\w+\ )?err(?:!|or)\W{1,3}
      (?:code\W{1,3}(?:\d+|elifecycle)\b|(?:errno|exit\ status|path|command|workspace|location|cwd|prefix)\W{1,3}\S).{0,240}
    | (?:npm|pnpm|yarn)\ err(?:!|or)\W{0,3}
      (?:a\ complete\ log\ of\ this\ run|[~/]\S*debug|lifecycle\ script|failed\ at\ the|exit\ status|this\ is\ probably).{0,200}
    | lerna\ err!?\ .{0,80}exited\ \d+\ in\ .{0,80} | (?:nx\W+)?running\ targets?\ .{0,120}\ failed\W*
    | \W?err_pnpm_recursive_\w+.{0,200}
    | run\ [\w.-]+/[\w./-]+@\S+ | (?:echo|printf)\ .* | set\ [-+]\w.* | export\ \w+=.* | cd\ \S+
    | pass\b.* | \d+\ +\|.* | traceback\ \(most\ recent\ call\ last\)\W*
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
#: The same for forms that are known by how they end.
_ENDS = re.compile(r"(?:\d|successfully|errors?|problems?|issues?|failures?)\W*$", re.IGNORECASE)
_ENDINGS = re.compile(
    r"""(?:
      .{0,120}\ subprocess\ to\ .{0,40}\ did\ not\ run\ successfully\W*
    | .{0,60}\b(?:encountered|has|had|reported|found|were)
      \ (?:one\ or\ more|\d+|some|multiple|an|test)\ (?:errors?|problems?|issues?|failures?)\W*
    | .{0,80}?(?:\W(?:completed|exited|finished|failed|returned|exit|terminated|ended)\ (?:with\ )?(?:an?\ )?(?:non-?zero\W)?)
      (?:(?:exit|error|status|return)\ )?(?:code|status)\W{0,2}\d+\W*
    )$""",
    re.IGNORECASE | re.VERBOSE,
)


#: A command that is about to run, as shells, package managers and the runner echo it.
_ECHO = re.compile(r"\s*(?:> ?\S+@\d\S* \S|\$ \S|\++ \S|##\[(?:group|command|debug|section)\]|\[command\])")


def is_echo(line: str) -> bool:
    """Whether a line (as it was printed) is the echo of a command."""
    return _ECHO.match(line) is not None


def says_nothing(text: str) -> bool:
    """Whether a headline (without its front's ornament, and nothing in it made alike) could head
    any failure whatever its cause.
    """
    if all(word[0] in _EMPTY for word in _WORD.finditer(text.lower())) and not _NAME.search(text):
        return True
    if not _SPELLED.search(text):
        return True
    if _FORMS.match(text):
        return True
    return _ENDS.search(text[-16:]) is not None and _ENDINGS.match(text) is not None


#: Quoted words that tools say in every project.
_OWN_WORDS = (
    r"(?:npm|npx|yarn|pnpm|pip|cargo|go|git|bundle|rustc|docker|make) [^'\"`]*|true|false|null|none|undefined|errors?|latest|main|master"
    r"|npm|node|git|python|bash|sh|token|name|path|version|string|number|object|any"
)
#: Files that a tool asks every project for.
_OWN_FILES = (
    r"package(?:-lock)?\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|cargo\.(?:toml|lock)|go\.(?:mod|sum)|pyproject\.toml"
    r"|setup\.(?:py|cfg)|requirements\.txt|rakefile(?:\.rb)?|gemfile(?:\.lock)?|pom\.xml|build\.gradle(?:\.kts)?|tsconfig\.json"
    r"|composer\.(?:json|lock)|node\.js|vue\.js|next\.js"
)
_HELP = re.compile(
    r"\b(?:see|visit|refer(?:ring)?(?: to)?|at|docs?|details|information|info|here)\W{1,3}https?://\S+"
    r"|https?://(?:(?:docs|help|support|developer)\.|aka\.ms|git\.io)\S+|\((?:looking for|see)[^)]*\)",
    re.IGNORECASE,
)
_CODE_FILES = (
    r"py|[cm]?[jt]sx?|rs|go|java|rb|php|c|cc|cpp|cxx|h|hpp|cs|kts?|scala|swift|exs?|erl|lua|pl|sh|ps1|css|scss|html?|vue|svelte|md|rst|json"
    r"|ya?ml|toml|xml|gradle|sql|proto|tf|ipynb|csproj|sln|dll|so|jar|whl|deb|o"
)
#: Brands whose names are written like a symbol's.
_BRANDS = r"GitHub|JavaScript|TypeScript|macOS|iOS|OpenSSL|PyPI|NuGet|CocoaPods|GraphQL|BuildKit|PowerShell|CMake|PostgreSQL|MySQL"

#: A sign that must stand in the text ("" for none), and what then names a thing.
_THINGS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (sign, re.compile(expression))
    for sign, expression in (
        ("'", rf"(?<![\w'])'(?!(?:{_OWN_WORDS})')[^'<>\s][^'<>\n]{{1,120}}'(?!\w)"),
        ('"', rf'"(?!(?:{_OWN_WORDS})")[^"<>\s][^"<>\n]{{1,120}}"'),
        ("`", rf"`(?!(?:{_OWN_WORDS})[`'])[^`<>\s][^`<>\n]{{1,120}}[`']"),
        ("‘", rf"‘(?!(?:{_OWN_WORDS})’)[^’<>\n]{{2,120}}’"),
        ("“", rf"“(?!(?:{_OWN_WORDS})”)[^”<>\n]{{2,120}}”"),
        (
            "/",
            r"(?<!:/)(?<!/)/?\b[\w.@+~-]+/[\w.@+-]+/[\w.@+-]|\.{1,2}/[\w.-]|~/\w|(?<![\w/])/\w[\w.-]*/\w|https?://\S",
        ),
        (
            "/",
            r"\b(?!(?:read/write|input/output|client/server|and/or|tcp/ip|true/false)\b)[a-z0-9][\w.-]{2,}/[\w.-]{3,}\b",
        ),
        ("\\", r"[\w:]\\\w[\w.-]*\\\w"),
        (".", rf"(?i:(?<![\w.-])(?!(?:{_OWN_FILES})\b)[\w-]+\.(?:{_CODE_FILES})\b)|\b[A-Za-z_]\w+\.[A-Za-z_]\w+\("),
        (".", r"\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|internal|local|example|cloud)\b"),
        ("(", r"\b[A-Za-z_]\w+\(\)"),
        (":", r"\w::\w|\b[\w.-]+:\d+\.\d+"),
        ("#", r"\w#\w"),
        ("@", r"\w@[v^~]?\d"),
        ("=", r"\w==\d"),
        ("_", r"\b(?!ERR_)[A-Z][A-Z0-9]+_[A-Z0-9_]*(?<!_ERROR)\b"),
        ("_", r"\b(?!err_|error_|\w*_(?:error|failed|failure|not)_?)[a-z][a-z0-9]*_[a-z0-9_]+\b"),
    )
)
#: A symbol written in humps; what ends like an exception's name is its kind.
_HUMPS = re.compile(r"[a-z0-9][A-Z]")
_SYMBOL = re.compile(
    rf"\b(?!(?:{_BRANDS})\b)(?:[a-z]+[A-Z]|[A-Z][a-z0-9]+[A-Z])\w*(?<!Error)(?<!Exception)(?<!Failure)(?<!Warning)(?<!Fault)\b"
)


def names_a_thing(text: str) -> bool:
    """Whether a line (normalised or not) names more than a tool says in every project: a value,
    path, symbol, package, test, host.
    """
    if "(" in text or "http" in text:
        text = _HELP.sub("", text)
    if any(sign in text and thing.search(text) for sign, thing in _THINGS):
        return True
    return _HUMPS.search(text) is not None and _SYMBOL.search(text) is not None
