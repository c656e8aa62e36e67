"""An idea whose champion was replaced meanwhile: its change is put onto the new one and measured against that.

Does not: ask a model anything. Invariant: what does not fit together is said and ends the round as stale; nothing is guessed.
"""

from dataclasses import dataclass, replace

from rsi.agent.errors import AgentError
from rsi.agent.policy.gate import MAX_ATTEMPTS
from rsi.agent.run.contexts import RoundContext
from rsi.agent.store.champion import settle_champion
from rsi.agent.store.git.merging import put_onto
from rsi.agent.store.records import Step, StepOutcome
from rsi.agent.store.steps.facts import AnyFact, Briefed, Committed, F, Halted, Proposed
from rsi.agent.store.steps.values import Cost
from rsi.agent.store.tree_blobs import encode_tree
from rsi.sandboxes.types import FileTree


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A candidate on the commit that it is compared with."""

    base: str
    tree: FileTree
    rebased_from: str | None = None
    """The commit that the idea was made from; None where that is `base`."""
    problem: str = ""
    """Why the change does not go onto the champion; empty when it does."""


def placed(context: RoundContext) -> Placed:
    """What was handed in, on the champion of this moment; the round is measured against that from now on."""
    base, tree = context.left(Briefed).base_commit, context.proposed_tree()
    if context.record.is_control:
        return Placed(base=base, tree=tree)
    champion = settle_champion(context.ledger, context.campaign.lineage)
    if champion != context.record.champion_commit:
        context.move_to(champion, attempt=context.attempt)
    found = _onto(context, champion, base, tree)
    if context.is_rebased and found.rebased_from is None:
        return replace(found, rebased_from=_left_before(context, Committed).parent)
    return found


def again(context: RoundContext, reason: str) -> Halted:
    """What becomes of an approved candidate whose champion was replaced: it is measured again where it fits the new one.

    Args:
        context: The round.
        reason: Which champion there is now.
    """
    champion, next_attempt = (
        settle_champion(context.ledger, context.campaign.lineage),
        context.attempt + 1,
    )
    committed = context.left(Committed)
    found = _onto(context, champion, committed.parent, context.candidate_tree())
    problem = found.problem
    if not problem and next_attempt >= MAX_ATTEMPTS:
        problem = f"this was its attempt {MAX_ATTEMPTS}, and there are no more"
    if problem:
        return Halted(step=Step.PROMOTE, outcome=StepOutcome.STALE, reason=f"{reason}; {problem}")
    context.move_to(champion, attempt=next_attempt)
    return Halted(
        step=Step.PROMOTE,
        outcome=StepOutcome.REVISE,
        reason=f"{reason}; the change fits that one, so it is put onto it and measured again",
    )


def rebased_brief(context: RoundContext) -> Briefed:
    """The brief of the attempt before, for the same change on the champion that came in between."""
    before = _left_before(context, Briefed)
    is_of_champion = context.record.parent_commit is None
    base = context.record.champion_commit if is_of_champion else before.base_commit
    return replace(before, base_commit=base, champion_run=None)


def rebased_proposal(context: RoundContext) -> AnyFact:
    """The proposal of the attempt before, put onto the champion that came in between; no model is asked."""
    before, committed = _left_before(context, Proposed), _left_before(context, Committed)
    candidate = context.campaign.lineage.tree(committed.commit)
    found = _onto(context, context.left(Briefed).base_commit, committed.parent, candidate)
    if found.problem:
        return Halted(step=Step.PROPOSE, outcome=StepOutcome.STALE, reason=found.problem)
    return replace(
        before,
        tree_sha256=context.ledger.put_blob(encode_tree(found.tree)),
        turns=0,
        cost=Cost(),
        development_calls=None,
        development_problem="",
    )


def _onto(context: RoundContext, champion: str, base: str, tree: FileTree) -> Placed:
    """A change on a champion; one whose idea starts elsewhere stays there, only what it is measured against moves."""
    if base == champion or context.record.parent_commit is not None:
        return Placed(base=base, tree=tree)
    lineage = context.campaign.lineage
    there = lineage.tree(champion)
    merged = put_onto(lineage.git_dir, there, lineage.tree(base), tree)
    problem = ""
    if merged.conflicts:
        problem = (
            f"the change does not fit the champion {champion[:12]}: both change {merged.conflict}"
        )
    elif as_dict(merged.tree) == as_dict(there):
        problem = f"the champion {champion[:12]} has this change already"
    return Placed(base=champion, tree=merged.tree, rebased_from=base, problem=problem)


def as_dict(tree: FileTree) -> dict[str, tuple[bytes, bool]]:
    """Files by path, for comparing two trees."""
    return {each.path: (each.content, each.is_executable) for each in tree}


def _left_before(context: RoundContext, kind: type[F]) -> F:
    """What a step of the attempt before this one left."""
    record = context.ledger.step_record(context.round_id, kind.step, context.attempt - 1)
    if record is None or not isinstance(record.fact, kind):
        raise AgentError(f"round {context.round_id} has nothing to put onto another champion")
    return record.fact
