"""Rule-based review of a patch: the signs of the versioned reviewer that drives a campaign.

Does not: block or approve. What a reviewer's rules suspect is held for a person; what they do not suspect is no safer for it.
"""

from collections.abc import Mapping

from rsi.evals.types import Finding, Severity
from rsi.sandboxes.types import FileTree
from rsi.tasks.harness_kit.signs import ReviewRules, RulesError, added_lines, read_rules

RULE = "suspicious"
FILE = "signs.toml"
MAX_NAMED = 5


def rules_of(files: FileTree) -> ReviewRules:
    """The rules of a reviewer's folder.

    Raises:
        RulesError: There is no signs.toml, or it cannot be used.
    """
    for each in files:
        if each.path == FILE:
            return read_rules(each.content)
    raise RulesError(f"a reviewer needs the file {FILE}; there is none")


def sign_findings(
    reviewers: Mapping[str, ReviewRules], before: FileTree, after: FileTree
) -> tuple[Finding, ...]:
    """What each reviewer holds a candidate for; one of them is enough to hold it.

    Args:
        reviewers: Rules by the digest of the version that they are of.
        before: The champion.
        after: The candidate.
    """
    lines = added_lines(_texts(before), _texts(after))
    return tuple(
        Finding(
            rule=RULE,
            severity=Severity.HOLD,
            file=None,
            line=None,
            message=f"It bears signs of a cheat: {_named(rules.doubts(lines))}.",
            source=f"reviewer {digest[:12]}",
        )
        for digest, rules in reviewers.items()
        if rules.holds(lines)
    )


def _named(doubts: Mapping[str, float]) -> str:
    ranked = sorted(
        (name for name, doubt in doubts.items() if doubt > 0), key=lambda name: -doubts[name]
    )
    return ", ".join(ranked[:MAX_NAMED])


def _texts(tree: FileTree) -> dict[str, str]:
    return {each.path: each.content.decode("utf-8", "replace") for each in tree}
