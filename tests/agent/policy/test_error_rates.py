"""What a round's opening says about error rates, and what older openings said."""

from tests.facts import left

from rsi.agent.policy.error_rates import planned_rates
from rsi.agent.policy.gate import MAX_ATTEMPTS
from rsi.agent.store.records import Step
from rsi.evals.judge.alpha_spending import STAGES, alpha_for, stage_alpha


def test_all_attempts_of_a_round_share_what_the_campaign_gives_it():
    first, *later = planned_rates(3, 0.01)
    opened = left(Step.OPEN, alpha=first, revised_alphas=tuple(later))
    spent = [opened.alpha_of(attempt) ** STAGES for attempt in range(MAX_ATTEMPTS)]
    assert sum(spent) <= alpha_for(3, 0.01)
    assert spent[0] > sum(spent[1:])
    assert spent[1] > spent[2] > 0


def test_a_round_that_was_opened_with_one_rate_keeps_it_for_every_attempt():
    opened = left(Step.OPEN, alpha=stage_alpha(alpha_for(3, 0.01)))
    rates = {opened.alpha_of(attempt) for attempt in range(MAX_ATTEMPTS)}
    assert rates == {opened.alpha}
