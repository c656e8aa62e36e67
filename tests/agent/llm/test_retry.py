"""Waiting: as long as the provider asks, else longer each time, and never for ever."""

import random

import pytest

from rsi.agent.llm.adapters.transport.failures import retry_after_s
from rsi.agent.llm.errors import ModelAuthError, ModelBusyError
from rsi.agent.llm.retry import RetryPolicy, with_retries

POLICY = RetryPolicy(attempts=5, base_s=1.0, ceiling_s=10.0)


def attempt_of(*outcomes):
    left = list(outcomes)

    def attempt():
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt


def run(*outcomes, policy=POLICY):
    waits = []
    answer = with_retries(
        attempt_of(*outcomes), policy=policy, sleep=waits.append, draw=random.Random(1)
    )
    return answer, waits


def test_the_providers_own_wait_is_kept():
    assert run(ModelBusyError("429", retry_after_s=7.5), "ok") == ("ok", [7.5])


def test_without_one_the_wait_doubles_with_jitter_up_to_a_ceiling():
    _, waits = run(*[ModelBusyError("529")] * 4, "ok")
    for wait, top in zip(waits, (1, 2, 4, 8), strict=True):
        assert top / 2 <= wait <= top


def test_it_gives_up_after_its_attempts():
    with pytest.raises(ModelBusyError, match="the fifth"):
        run(*[ModelBusyError("529")] * 4, ModelBusyError("the fifth"), "never")


def test_what_cannot_get_better_is_not_tried_again():
    with pytest.raises(ModelAuthError):
        run(ModelAuthError("401"), "never")


def test_a_provider_that_asks_for_an_hour_is_not_waited_for():
    with pytest.raises(ModelBusyError):
        run(ModelBusyError("429", retry_after_s=3600.0), "never")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 40.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(headers, expected):
    assert retry_after_s(headers, now_s=60.0) == expected
