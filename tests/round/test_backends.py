"""One campaign on each backend: a gain is promoted, a cheat and a crash come to their named ends, wherever the runs are."""

import pytest
from tests.backends import require

from rsi.agent.store.records import Step
from rsi.agent.store.round_book import RoundBook
from rsi.sandboxes.select import BACKENDS, QUICKEST_FIRST

pytestmark = pytest.mark.slow

CASES = {"02_row_sums_once": 2.5, "04_not_a_number": 3.0, "07_wrong_name": 1.2}
ENDS = ["promoted", "invalid_output", "crashed"]


@pytest.mark.parametrize(
    "backend_name",
    [
        pytest.param(each.name, marks=[pytest.mark.docker] if "docker" in each.name else [])
        for each in BACKENDS
    ],
)
def test_a_campaign_ends_alike_on_every_backend(
    ledger, queue, work, idea, backend_name, monkeypatch
):
    require(next(each for each in BACKENDS if each.name == backend_name).make())
    if "docker" in backend_name:
        monkeypatch.delenv("RSI_CACHE", raising=False)  # its images are kept by the engine anyway
    campaign_id = queue([idea(name, predicted=ratio) for name, ratio in CASES.items()])
    status, log = work(timeout_s=600)
    assert status == 0, log
    assert [each.ended_as for each in RoundBook(ledger).of_campaign(campaign_id)] == ENDS
    opened = [ledger.step(each.id, Step.OPEN) for each in ledger.rounds(campaign_id)]
    assert {each.backend for each in opened} == {backend_name}


def test_tests_and_demos_take_bubblewrap_before_an_engine():
    assert QUICKEST_FIRST.index("bubblewrap") < QUICKEST_FIRST.index("docker")
