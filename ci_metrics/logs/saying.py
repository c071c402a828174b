"""What a headline says of a cause: nothing, a kind of failure in a tool's fixed words, or the thing that is wrong.

Belongs here: words and forms that any failure of a tool could have. Does not: what varies from run to run (`varying.py`).

Two questions. `says_nothing`: "Process completed with exit code 1", "=== FAILURES ===", "3 failed, 20 passed" head thousands of
failures of different causes; most of them need no pattern, because every word of theirs is one that any failure could say.
`names_a_thing`: "Input required and not supplied: token" says what is wrong, in words that every project's log would say; a quoted
value, a path, a symbol, a package with its version are of one project.
"""

from __future__ import annotations

import re

#: Roles of lines that never name a cause themselves. `source` is a line of code, `echo` a command, `hint` advice.
NAMELESS_ROLES = frozenset(
    {"title", "count", "epilogue", "frame", "echo", "banner", "status", "exit", "pass", "hint", "step-start", "source"}
)

#: Words that say that something failed, was run, was counted, or where to look; of tools only those that run others. A headline of
#: nothing else says nothing. What is not here is what tells causes apart: memory, space, timeout, denied, refused, syntax …
_EMPTY = frozenset(
    """
    a about above abort aborted aborting action actions after again all also an and any are as at be because been before below but by
    bye can check checks code command commands complete completed completely could details did do done due during
    elifecycle encountered end ended ending err errno error errors exit exited exiting expectation expectations fail failed
    failing fails failure failures fatal few file files finish finished fix fixable following for found from full further general
    got had halted has have help here i if in info information is issue issues it its job jobs last lifecycle list log logs
    look more next no non not nothing occurred of off oh on one ones only oops operation or other others our out output
    please pending pass passed passing potentially previous problem problems process program reason report reports result results
    return returned run runner running runs scenario scenarios script scripts see some something status step steps still stop
    stopped stopping subcommand subprocess succeed successful successfully suite suites summary sorry task tasks terminated
    termination test tests than that the there these they this threshold time to total try unexpected unsuccessful up updater
    warning warnings was we went were what which while will with without workflow would wrong you your zero
    build builds building builder cancelled canceled cancel compile compilation compiling example examples assertion assertions
    skip skipped snapshot snapshots todo ignored ran took executed expected broken flaky retries retried inconclusive obsolete
    written ok duration start elapsed seconds second minutes minute ms s m min h sec secs filtered measured
    auto automatically option fixed rerun retry
    code style prettier write lint linter linting eslint formatting formatted format
    npm npx yarn pnpm bun lerna turbo nx make gmake ninja cmake gradle gradlew maven mvn bazel cargo rake tox nox pytest unittest jest
    mocha vitest karma cypress playwright phpunit rspec ctest dotnet msbuild sbt mix docker buildx buildkit compose bash sh
    exception exceptions warn err pre post main entry point stage target targets goal module modules
    """.split()
)
_WORD = re.compile(r"[^\W\d_]+(?:['’][a-z]+)?")  # words; digits, signs and what is glued to digits by them say nothing more

#: A word with an underscore, a slash, a dot or a digit inside is a name, whatever its parts.
_NAME = re.compile(r"[A-Za-z]\w*_\w|\w/\w|[A-Za-z]\.[A-Za-z]\w|[A-Za-z]\d{2,}|::|\w@\w")

#: Forms that say nothing, although a word in them is a name: of a step, a target, a package that was being built or run.
_FORMS = re.compile(
    r"""^(?:
      (?:g?make|mingw32-make)(?:\[\d+\])?:\ \*\*\*\ .{0,160}(?:error\ \d+|unfinished\ jobs|killed|terminated|interrupt)\W*
    | ninja:\ build\ stopped.{0,40}
    | (?:the\ )?(?:process|command|script|program|executable|task)?\W{0,3}['"`].{1,240}['"`]\ (?:command\ )?(?:has\ )?
      (?:failed|exited|returned|terminated|died|completed)(?:\ (?:with|and|because|abnormally|an?|non-?zero|code|exit|status|error|of)){0,6}
      (?:\W{0,3}\d+)?\W*
    | (?:(?:\w+\ )?err(?:or)?\W{1,3})?(?:.{0,60}?\ )?failed\ to\ solve:\ process\ .{1,240}\ did\ not\ complete\ successfully.{0,40}
    | (?:\d+\ )?(?:err(?:or)?\W{1,3})?process\ .{1,240}\ did\ not\ complete\ successfully:\ exit\ code:?\ \d+\W*
    | .{0,80}?\bthe\ process\ .{1,160}\ failed\ (?:with\ exit\ code|because).{0,40}
    | subprocess-exited-with-error | .{0,120}\ subprocess\ to\ .{0,40}\ did\ not\ run\ successfully\W* | exit\ code:\ \d+
    | error:\ (?:could\ not\ compile|build\ failed|aborting\ due|test\ failed,\ to\ rerun|script\ ["'`]?[\w:.-]+["'`]?\ exited).{0,160}
    | error:\ \d+\ targets?\ failed.{0,80} | aborting\ due\ to\ .{0,60} | for\ more\ information\ about\ .{0,80}
    | execution\ failed\ for\ task\ \S+ | (?:>\ )?task\ \S+\ failed | \*?\ ?what\ went\ wrong:?
    | build\ failed\ (?:in|with|after)\ .{0,60} | \S{0,60}:?\ build\ did\ not\ complete\ successfully\W*
    | failed\ to\ execute\ goal\ .{0,200} | there\ (?:are|were)\ test\ failures\W*
    | dockerfile[\w.-]*:\d+\W* | (?:\w+\ )?err(?:!|or)\W{1,3}(?:code|errno|exit\ status|path|command|workspace|location|cwd|prefix)\W{1,3}\S.{0,240}
    | (?:npm|pnpm|yarn)\ err(?:!|or)\W{0,3}(?:a\ complete\ log\ of\ this\ run|[~/]\S*debug|lifecycle\ script|failed\ at\ the|exit\ status|this\ is\ probably).{0,200}
    | .{0,80}a\ complete\ log\ of\ this\ run\ can\ be\ found.{0,80}
    | lerna\ err!?\ .{0,80}exited\ \d+\ in\ .{0,80} | (?:nx\W+)?running\ targets?\ .{0,120}\ failed\W*
    | err_pnpm_recursive_\w+.{0,120} | elifecycle\W.{0,60}
    | \#\#\[(?:group|command|section|debug)\].* | \[command\].* | (?:run|echo|set|cd|export|printf)\ (?:.*)
    | [$+>]\ \S.* | >\ ?\S+@\S+\ \S+.*
    | .{0,40}\btest\ suite\ failed\ to\ run\W* | (?:failed|failing)\ tests?:?\W* | (?:\w+\ ){0,3}short\ test\ summary\ info\W*
    | (?:last|first)\ few\ gcs\W* | js\ stacktrace\W* | traceback\ \(most\ recent\ call\ last\)\W* | stack\ ?trace\W* | caused\ by\W*
    | .{0,60}\b(?:encountered|has|had|reported|found)\ (?:one\ or\ more|\d+|some|multiple|an)\ (?:errors?|problems?|issues?|failures?)\W*
    | finished:\ \w+\W* | script\ returned\ exit\ code\ \d+ | killed | error
    | \d+\ tests?\ failed.{0,40} | pass\b.* | \d+\ +\|.*
    | job\ \S+\ (?:failed|encountered).{0,60}
    | .{0,80}?\W(?:completed|exited|finished|failed|returned|exit|terminated|ended)\ (?:with\ )?(?:an?\ )?(?:non-?zero\W)?(?:exit|error|status|return)?\ ?(?:code|status)\W{0,2}\d+\W*
    )$""",
    re.IGNORECASE | re.VERBOSE,
)


def says_nothing(text: str) -> bool:
    """Whether a headline (without its front's ornament, and nothing in it made alike) could head any failure whatever its cause."""
    words = _WORD.findall(text.lower())
    if not _NAME.search(text) and all(word in _EMPTY for word in words):
        return True
    return _FORMS.match(text) is not None


#: Quoted words that tools say in every project.
_OWN_WORDS = r"(?:npm|npx|yarn|pnpm|pip|cargo|go|git|bundle|rustc|docker|make)\ [^'\"`]*|true|false|null|none|undefined|error|errors|latest|main|master|npm|node|git|python|bash|sh|token|name|path|version|string|number|object|any"
#: Files that a tool asks every project for.
_OWN_FILES = (
    r"package(?:-lock)?\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|yarn\.lock|cargo\.(?:toml|lock)|go\.(?:mod|sum)|pyproject\.toml|setup\.(?:py|cfg)"
    r"|requirements\.txt|rakefile(?:\.rb)?|gemfile(?:\.lock)?|pom\.xml|build\.gradle(?:\.kts)?|tsconfig\.json|composer\.(?:json|lock)|node\.js|vue\.js|next\.js"
)
_HELP = re.compile(r"\b(?:see|visit|refer(?:ring)?(?: to)?|at|docs?|details|information|info|here)\W{1,3}https?://\S+|\((?:looking for|see)[^)]*\)", re.I)
_THING = re.compile(
    rf"""
      (?<![\w'])'(?!(?:{_OWN_WORDS})')[^'<>\s][^'<>\n]{{1,120}}'(?!\w) | "(?!(?:{_OWN_WORDS})")[^"<>\s][^"<>\n]{{1,120}}"
    | `(?!(?:{_OWN_WORDS})`)[^`<>\s][^`<>\n]{{1,120}}[`'] | [‘“](?!(?:{_OWN_WORDS})[’”])[^’”<>\n]{{2,120}}[’”]
    | [\w.@+~-]*[/\\][\w.@+-]+[/\\][\w.@+-]+ | \.{{1,2}}/[\w.-]+ | ~/\w+
    | \b(?!(?:{_OWN_FILES})\b)[\w-]+\.(?:py|[cm]?[jt]sx?|rs|go|java|rb|php|c|cc|cpp|cxx|h|hpp|cs|kts?|scala|swift|exs?|erl|lua|pl|sh|ps1
      |css|scss|html?|vue|svelte|md|rst|json|ya?ml|toml|xml|gradle|sql|proto|tf|ipynb|csproj|sln|dll|so|jar|whl|deb|o)\b
    | \b(?!(?:read/write|input/output|client/server|and/or|tcp/ip|true/false)\b)[a-z0-9][\w.-]{{2,}}/[\w.-]{{3,}}\b
    | \w::\w | \b[A-Za-z_]\w+\.[A-Za-z_]\w+\( | \b[A-Za-z_]\w+\(\) | \w\#\w
    | [\w/.-]+@[v^~]?\d[\w.+-]* | \w==\d | \b[\w.-]+:\d+\.\d+[\w.-]*
    | https?://\S+ | \b(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|internal|local|example|cloud)\b
    | \b[A-Z][A-Z0-9]+_[A-Z0-9_]*(?<!_ERROR)\b(?!\ ) | \b(?!err_|error_|\w*_(?:error|failed|failure|not)_?)[a-z][a-z0-9]*_[a-z0-9_]+\b
    | \b(?!(?:GitHub|JavaScript|TypeScript|macOS|iOS|OpenSSL|PyPI|NuGet|CocoaPods|GraphQL|BuildKit|PowerShell|CMake|PostgreSQL|MySQL)\b)
      (?:[a-z]+[A-Z]|[A-Z][a-z0-9]+[A-Z])\w*(?<!Error)(?<!Exception)(?<!Failure)(?<!Warning)(?<!Fault)\b
    """,
    re.VERBOSE,
)


def names_a_thing(text: str) -> bool:
    """Whether a line (normalised or not) names more than a tool says in every project: a value, path, symbol, package, test, host."""
    if "(" in text or "http" in text:
        text = _HELP.sub("", text)
    return _THING.search(text) is not None
