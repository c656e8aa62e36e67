"""Device time is charged for what ran: what failed, what was broken off and what was begun again included."""

import pytest

from rsi.agent.run.contexts import open_campaign_context
from rsi.agent.run.steps.device_time import device_time, run_s
from rsi.agent.store.records import ChargeRecord, ChargeRole, ChargeStatus, utc_now
from rsi.evals.errors import MeasurementError
from rsi.evals.types import Purpose


@pytest.fixture
def campaign_context(home, ledger, past):
    return open_campaign_context(home, ledger, past.campaign)


@pytest.fixture
def round_id(past):
    return past.round("01_null", "refuted")


def charged_s(ledger, round_id):
    charges = ledger.charges(round_id=round_id)
    assert all(each.status is ChargeStatus.SETTLED for each in charges)
    return [each.device_s for each in charges]


def test_what_was_broken_off_is_paid_and_going_on_pays_for_the_rest(
    ledger, past, campaign_context, round_id
):
    def used_s():
        return run_s(ledger.measurements(round_id, Purpose.AUDIT))

    def work():
        return device_time(campaign_context, round_id, f"{round_id}/audit", used_s)

    def break_off():
        with work():
            past._pair(round_id, Purpose.AUDIT, 0, 2.0, 0.003)
            raise MeasurementError("the sandbox is gone")

    with pytest.raises(MeasurementError):
        break_off()
    assert charged_s(ledger, round_id) == [3.0]
    with work():
        past._pair(round_id, Purpose.AUDIT, 1, 4.0, 0.003)
    assert charged_s(ledger, round_id) == [3.0, 5.0]


def test_a_charge_that_a_kill_left_open_is_taken_over(ledger, past, campaign_context, round_id):
    work = f"{round_id}/screen"
    ledger.reserve(
        ChargeRecord(
            id=work, campaign_id=past.campaign.id, round_id=round_id, role=ChargeRole.DEVICE,
            model=campaign_context.backend.name, reserved_usd=0.0, reserved_at=utc_now(),
        )
    )  # fmt: skip
    past._pair(round_id, Purpose.SCREEN, 0, 2.0, 0.003)
    with device_time(
        campaign_context,
        round_id,
        work,
        lambda: run_s(ledger.measurements(round_id, Purpose.SCREEN)),
    ):
        pass
    assert charged_s(ledger, round_id) == [3.0]
