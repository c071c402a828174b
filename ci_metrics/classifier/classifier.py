"""From an extraction to a verdict: what decides, how sure, what is quoted, how it is said.

Belongs here: the order of the decision. Does not: features, weights, messages, what the contract
decides (`contract_rules.py`), the wording (`verdict_words.py`).

Three things are decided apart: the category (learned, `model.py`), the lines that are quoted (the
ranking's, `logs/`), and the sentence (the message on the quoted line, where there is one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ci_metrics.catalogue import Catalogue, Message, load_catalogue
from ci_metrics.classifier.category_reasons import CategoryReason, Reasoning, feature_in_words
from ci_metrics.classifier.contract_rules import FLAKY, by_contract, gate, named_by_nothing, spoken_for
from ci_metrics.classifier.features import AGGREGATE, SeenEvidence, see_evidence
from ci_metrics.classifier.model import Model, Opinion, model_in_force
from ci_metrics.classifier.taxonomy import Taxonomy
from ci_metrics.classifier.verdict_words import cut_quote, looks_like, quotes, speaker
from ci_metrics.classifier.version import decision_version
from ci_metrics.models import ExtractedError, Extraction, Job, Verdict

#: The least certainty of a decision that is the contract's own.
BY_CONTRACT = 0.9
#: What a verdict's certainty is at most where nothing but a frame or closing
#: words names the failure.
CAPPED = 0.7
#: What a message of a team's own catalogue adds to its category, by its place, where nothing was
#: learned of it. Not learned: no labelled log has one. More than a message on the naming line is
#: worth by its category (about 2): a person wrote it to decide.
_OWN = {"head": 3.0, "first": 1.5}
#: A category that is more likely wrong than right is a guess, and the state `unknown`.
GUESS = 0.5
#: Words of a failure, of those that anything was learned of, without which they say nothing of it.
KNOWN = 4
#: A category that no message speaks for must be so sure to be said: of 20 failures below it, on
#: projects that took no part in learning, 8 were right; of 7 above it all.
UNSPOKEN = 0.7
#: Who decided, where no single message did.
_WORDS = "words"


@dataclass(frozen=True, slots=True)
class CategoryDecision:
    """A category, how sure, and the message that contributed most (None where words did)."""

    category: str
    share: float
    by: Message | None
    opinion: Opinion
    contract: bool = False  # the contract decided, whatever was learned
    capped: bool = False  # less sure than the shares say: nothing but frames or closing words names the failure


class Classifier:
    """Judges failures by what was learned of messages and words: no network, no state, the same
    answer for the same text.
    """

    def __init__(self, taxonomy: Taxonomy, catalogue: Catalogue | None = None, model: Model | None = None) -> None:
        """`catalogue` and `model` are those in force unless others are given."""
        self._taxonomy = taxonomy
        self._catalogue = catalogue or load_catalogue()
        self._model = model or model_in_force()

    @property
    def version(self) -> str:
        """Changes whenever the same extraction could get another verdict (the taxonomy
        has a version of its own).
        """
        return decision_version(self._catalogue, self._model.version)

    def judge(self, extraction: Extraction, error: ExtractedError | None = None, job: Job | None = None) -> Verdict:
        """The verdict on a job's root cause, or on `error` alone when another of
        the job's errors is given.

        The root cause (no `error`, or the extraction's first) is judged by everything the excerpt
        shows: a summary, the goal that failed or the runner's last word often stands in another
        block than the first error. `job` adds the failed step's name where the extraction has none.
        Never raises for what a log says.
        """
        if error is None and extraction.state != "errors":
            return Verdict(state=extraction.state, error_type=None, confidence=0.0, summary="")
        seen = see_evidence(extraction, self._catalogue, error, job)
        if said := gate(seen):
            return Verdict(state="no_error_found", error_type=None, confidence=0.0, summary=said, rule=AGGREGATE)
        decision = self.decide(seen, job)
        if decision is None:
            return self._unknown(seen, None)
        if decision.share < GUESS and not decision.contract:
            return self._unknown(seen, decision)
        return self._verdict(seen, decision)

    def decide(self, seen: SeenEvidence, job: Job | None = None) -> CategoryDecision | None:
        """The category, by contract or by what was learned; None when no category of the model
        is in the taxonomy's ten.
        """
        opinion = self._model.opinion(seen.features, self._told(seen))
        flaky = any(each.message.category == FLAKY for each in seen.found)
        shares = [(name, share) for name, share in opinion.shares if name != FLAKY or flaky]
        if not shares:
            return None
        whole = sum(share for _, share in shares) or 1.0
        category, share = shares[0][0], shares[0][1] / whole
        decided, by = by_contract(seen, job)
        if decided:
            share = max(BY_CONTRACT, dict(shares).get(decided, 0.0))
            return CategoryDecision(decided, round(min(share, 0.99), 3), by, opinion, contract=True)
        words = sum(name in self._model.weights for name in seen.features if name.startswith(("word:", "command:")))
        if (words < KNOWN or share < UNSPOKEN) and not spoken_for(seen):
            share = min(share, GUESS - 0.01)  # what most failures are, not what this one is
        capped = share > CAPPED and named_by_nothing(seen)
        share = min(share, CAPPED if capped else 0.99)
        return CategoryDecision(category, round(share, 3), self._by(seen, category), opinion, capped=capped)

    def _told(self, seen: SeenEvidence) -> dict[str, float]:
        """What a team's own messages add to their categories: those of which nothing was
        learned, or that correct a shipped one.
        """
        told: dict[str, float] = {}
        for each in seen.found:
            message = each.message
            if message.id not in self._catalogue.own or message.category not in self._model.categories:
                continue
            shipped = load_catalogue().by_id.get(message.id)
            learned = any(f"message:{message.id}@{place}" in self._model.weights for place in ("head", "any"))
            if not learned or (shipped is not None and shipped.category != message.category):
                told[message.category] = max(told.get(message.category, 0.0), _OWN.get(each.place, 0.0))
        return told

    def _by(self, seen: SeenEvidence, category: str) -> Message | None:
        """The message that spoke most for `category`: by its own weight and that of
        its category at its place.
        """
        at = self._model.categories.index(category)
        best: tuple[float, Message] | None = None
        for each in seen.found:
            if each.message.category != category:
                continue
            names = (
                f"category:{category}@{each.place}",
                f"message:{each.message.id}@{'head' if each.place == 'head' else 'any'}",
            )
            worth = sum(float(self._model.weights[name][at]) for name in names if name in self._model.weights)
            worth += {"head": 0.3, "first": 0.2, "other": 0.1}.get(each.place, 0.0)
            if each.message.id in self._catalogue.own:
                worth += _OWN.get(each.place, 0.0)
            if best is None or worth > best[0]:
                best = worth, each.message
        return best[1] if best else None

    def why(self, seen: SeenEvidence, decision: CategoryDecision, most: int = 12) -> Sequence[tuple[str, float]]:
        """The features that spoke most for the decision, and against it,
        with what each was worth.
        """
        reasons = self._model.reasons(seen.features, decision.category)
        reasons += [
            (f"own:{name}", value if name == decision.category else -value) for name, value in self._told(seen).items()
        ]
        return sorted(reasons, key=lambda each: -abs(each[1]))[:most]

    def explained(self, extraction: Extraction, job: Job | None = None) -> Reasoning | None:
        """Why `judge` says what it says of the root cause; None where
        there is no error to judge.
        """
        if extraction.state != "errors":
            return None
        seen = see_evidence(extraction, self._catalogue, None, job)
        decision = self.decide(seen, job)
        if decision is None:
            return None
        withheld = decision.share < GUESS and not decision.contract
        return Reasoning(
            shares=decision.opinion.shares[:3],
            category=decision.category,
            confidence=decision.share,
            by=decision.by.id if decision.by else _WORDS,
            line=next((f.line.number for f in seen.found if f.message is decision.by and f.line.number), None),
            gate=bool(gate(seen)),
            contract=decision.contract,
            capped=decision.capped,
            withheld=withheld,
            reasons=tuple(
                CategoryReason(name, feature_in_words(name), round(worth, 2))
                for name, worth in self.why(seen, decision)
            ),
        )

    def resolve(self, by: Message | None, category: str) -> str | None:
        """The taxonomy's category: one of a project's own that claims the message, else
        `category` when the taxonomy has it.
        """
        if by is not None:
            for each in self._taxonomy.categories:
                if set(by.names).intersection(each.rules):
                    return each.name
        return category if self._taxonomy.get(category) else None

    def _verdict(self, seen: SeenEvidence, decision: CategoryDecision) -> Verdict:
        claimed = decision.by
        name = self.resolve(claimed, decision.category)
        category = self._taxonomy.get(name) if name else None
        message = speaker(seen, decision.category, self._catalogue.own)
        root = seen.root
        headline = message.headline if message and message.headline else looks_like(decision.category)
        fix = next((m.fix for m in (message, decision.by) if m is not None and m.fix), "")
        return Verdict(
            state="classified" if name else "unknown",
            error_type=name,
            confidence=decision.share,
            summary=f"{headline}: “{cut_quote(root.headline if root else '')}”",
            evidence=quotes(seen, decision.by),
            suggested_fix=fix or (category.fix if category else ""),
            fingerprint=root.fingerprint if root else "",
            rule=decision.by.id if decision.by else _WORDS,
            guess=None if name else decision.category,
            detail="" if name else f"the taxonomy has no place for {decision.category}",
        )

    def _unknown(self, seen: SeenEvidence, decision: CategoryDecision | None) -> Verdict:
        """The verdict where nothing known speaks for a category: what was seen, and
        the guess that is withheld.
        """
        root = seen.root
        text = root.headline if root else ""
        return Verdict(
            state="unknown",
            error_type=None,
            confidence=0.0,
            summary=f"No message of this failure is known. Seen: “{cut_quote(text)}”" if text else "Nothing was seen.",
            evidence=quotes(seen, None),
            fingerprint=root.fingerprint if root else "",
            guess=decision.category if decision else None,
        )
