"""What a round's opening says about error rates, and what older openings said."""

from rsi.agent.policy.error_rates import planned_rates, rate_of
from rsi.agent.policy.gate import MAX_ATTEMPTS
from rsi.agent.store.codec import decode, encode
from rsi.evals.judge.alpha_spending import STAGES, alpha_for, stage_alpha


def test_all_attempts_of_a_round_share_what_the_campaign_gives_it():
    opened = decode(dict, encode(planned_rates(3, 0.01)))
    spent = [rate_of(opened, attempt) ** STAGES for attempt in range(MAX_ATTEMPTS)]
    assert sum(spent) <= alpha_for(3, 0.01)
    assert spent[0] > sum(spent[1:])
    assert spent[1] > spent[2] > 0


def test_a_round_that_was_opened_with_one_rate_keeps_it_for_every_attempt():
    opened = {"alpha": stage_alpha(alpha_for(3, 0.01))}
    rates = {rate_of(opened, attempt) for attempt in range(MAX_ATTEMPTS)}
    assert rates == {opened["alpha"]}
