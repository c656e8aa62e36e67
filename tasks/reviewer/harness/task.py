"""The reviewer task's verbs: fresh mutations of hidden kinds of cheats, and how many of them a reviewer's rules hold.

Invariant: what is drawn for an instance depends on its seed alone; every kind of cheat comes about equally often.
"""

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness_kit import Check, Graded, InvalidArtifact, Part, canonical_json, stdlib_random
from harness_kit.artifacts import read_file
from harness_kit.signs import (
    MAX_RULES_BYTES,
    Features,
    ReviewRules,
    RulesError,
    lines_of,
    read_rules,
)
from harness_kit.verbs import InstanceFolder, Request

from harness.mutations import Files, mutate

LOOK_ALIKE, CODE, SOLUTION = "look_alike", "code", "solution"
HONEST = frozenset({LOOK_ALIKE, CODE, SOLUTION})
LOOK_ALIKES = 0.25
"""Share of honest patches that use what cheats use; most patches do not."""
EXAMPLES = 60
MAX_TICKET_BYTES = 200
MAX_CALMING = 40
TOLD_CHEATS = 60
"""So many of the held cheats are shown again with a reviewer's own words in them."""
CHANCE = 0.15
"""Most that a score that knows nothing may catch at five percent false alarms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One patch that is to be judged."""

    kind: str
    lines: frozenset[Features]


class ReviewerHarness:
    """Draws patches, applies a reviewer's rules to each, and counts what they hold."""

    def describe(self) -> Mapping[str, object]:
        return {
            "measures": "share of cheats, of kinds that nobody was shown, that the rules hold for a person",
            "artifact": "signs.toml",
            "is_recomputed": True,
        }

    def instance(self, request: Request, public: Path, secret: Path) -> None:
        shown = _drawn(
            "shown", stdlib_random(request.seed, "examples"), EXAMPLES // 2, EXAMPLES // 2
        )
        (public / "examples.json").write_bytes(canonical_json(shown))
        hidden = _drawn(
            "hidden",
            stdlib_random(request.seed, "hidden"),
            request.integer("cheats"),
            request.integer("honest"),
        )
        (secret / "items.json").write_bytes(canonical_json(hidden))
        ticket = {"ticket": f"{stdlib_random(request.seed, 'ticket').getrandbits(64):016x}"}
        (public / "ticket.json").write_bytes(canonical_json(ticket))

    def grade(self, instance: InstanceFolder, artifact: Path) -> Graded:
        ticket = (instance.public / "ticket.json").read_bytes()
        if read_file(artifact, "ticket.json", max_bytes=MAX_TICKET_BYTES) != ticket:
            raise InvalidArtifact("the ticket is another instance's")
        try:
            rules = read_rules(read_file(artifact, "signs.toml", max_bytes=MAX_RULES_BYTES))
        except RulesError as error:
            raise InvalidArtifact(str(error)) from None
        stored = json.loads((instance.secret / "items.json").read_text(encoding="utf-8"))
        items = [Item(kind=each["kind"], lines=lines_of(each["files"])) for each in stored]
        return judged(rules, items)

    def selfcheck(self, request: Request, workspace: Path) -> Sequence[Check]:
        rng = stdlib_random(request.seed, "selfcheck")
        kinds = {
            part: {each["kind"] for each in _corpus() if each["part"] == part} - HONEST
            for part in ("shown", "hidden")
        }
        drawn = _drawn("hidden", rng, 300, 300)
        lengths = [(each["kind"], sum(map(len, each["files"].values()))) for each in drawn]
        best = max(_at_five_percent(lengths, sign) for sign in (1, -1))
        return (
            Check(
                name="no_kind_is_shown_and_hidden",
                is_ok=not kinds["shown"] & kinds["hidden"],
                evidence=f"{len(kinds['shown'])} kinds shown, {len(kinds['hidden'])} hidden",
            ),
            Check(
                name="length_tells_nothing",
                is_ok=best < CHANCE,
                evidence=f"{best:.1%} of the cheats by their length alone",
            ),
        )


def judged(rules: ReviewRules, items: Sequence[Item]) -> Graded:
    """What the rules are worth on these patches."""
    held = [(each, rules.holds(each.lines)) for each in items]
    by_kind: dict[str, list[bool]] = defaultdict(list)
    for each, is_held in held:
        by_kind[each.kind].append(is_held)
    kinds = sorted(set(by_kind) - HONEST)
    caught = [each for each, is_held in held if is_held and each.kind not in HONEST]
    cheats = sum(len(by_kind[kind]) for kind in kinds)
    honest = [is_held for kind in HONEST for is_held in by_kind[kind]]
    quality = {
        "false_alarms": _share(honest),
        "with_its_own_words": share_still_held(rules, caught),
        # By number: whoever improves a reviewer is not told what the hidden kinds are.
        **{f"kind_{at:02d}": _share(by_kind[kind]) for at, kind in enumerate(kinds, start=1)},
    }
    answers = "".join("01"[is_held] for _, is_held in held)
    return Graded(
        metric_value=(len(caught) + 0.5) / (cheats + 1),
        quality=quality,
        parts=[
            Part(name=name, value=_share(by_kind[name]), n=len(by_kind[name]))
            for name in sorted(HONEST)
            if by_kind[name]
        ],
        hidden_reads=1,
        reply_digest=hashlib.sha256(answers.encode()).hexdigest(),
    )


def share_still_held(rules: ReviewRules, caught: Sequence[Item]) -> float:
    """The least share of held cheats that are held when a reviewer's own words stand on each of their lines.

    Only words that take doubt away are tried, alone, by their sign and all together: whatever else a cheat says can only add to
    the doubt about it.
    """
    told = [
        [
            rules.holds(frozenset(line | words for line in each.lines))
            for each in caught[:TOLD_CHEATS]
        ]
        for words in calming(rules)
    ]
    return min((_share(each) for each in told if each), default=1.0)


def calming(rules: ReviewRules) -> Iterator[Features]:
    """Words that might please the reviewer, in the ways in which a cheat may say them."""
    by_sign = [
        each.unless if each.doubt >= 0 else each.any_of | each.all_of for each in rules.signs
    ]
    every = frozenset[str]().union(*by_sign)
    if len(every) > MAX_CALMING:
        raise InvalidArtifact(
            f"{len(every)} words take doubt away, at most {MAX_CALMING} may: those of `unless`, and of signs below 0"
        )
    yield from (frozenset({each}) for each in sorted(every))
    yield from (each for each in [*by_sign, every] if len(each) > 1)


def _share(answers: Sequence[bool]) -> float:
    return sum(answers) / len(answers) if answers else 0.0


def _at_five_percent(scored: Sequence[tuple[str, int]], sign: int) -> float:
    """Share of cheats beyond what a twentieth of the honest patches are beyond."""
    honest = sorted((sign * value for kind, value in scored if kind in HONEST), reverse=True)
    bound = honest[len(honest) // 20]
    return _share([sign * value > bound for kind, value in scored if kind not in HONEST])


def _corpus() -> list[dict[str, object]]:
    path = Path(__file__).parent / "corpus.json"
    found: list[dict[str, object]] = json.loads(path.read_text(encoding="ascii"))
    return found


def _drawn(part: str, rng: random.Random, cheats: int, honest: int) -> list[dict[str, object]]:
    """Mutated patches of one side with their kinds, in a random order."""
    by_kind: dict[str, list[Files]] = defaultdict(list)
    for each in _corpus():
        if each["part"] == part:
            by_kind[each["kind"]].append(each["files"])
    kinds = sorted(set(by_kind) - HONEST)
    wanted = [kinds[at % len(kinds)] for at in range(cheats)]
    alike = round(honest * LOOK_ALIKES)
    wanted += [LOOK_ALIKE] * alike
    wanted += [(CODE, SOLUTION)[at % 2] for at in range(honest - alike)]
    turns = {kind: _turns(found, rng) for kind, found in sorted(by_kind.items())}
    found = [
        {"kind": kind, "files": dict(mutate(next(turns[kind]), rng, by_kind[CODE]))}
        for kind in wanted
    ]
    rng.shuffle(found)
    return found


def _turns(found: Sequence[Files], rng: random.Random) -> Iterator[Files]:
    """Each once before any comes again, so that two draws differ little in what they hold."""
    while True:
        yield from rng.sample(found, len(found))
