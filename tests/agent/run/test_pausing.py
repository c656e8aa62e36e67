"""The time that a wall-clock budget counts."""

from datetime import UTC, datetime, timedelta

import pytest

from rsi.agent.store.events import CampaignEvent
from rsi.agent.store.records import CampaignEventKind
from rsi.agent.store.stages import worked_s

START = datetime(2026, 11, 20, tzinfo=UTC)
QUEUED, STARTED, PAUSED, RESUMED, AUDITED, FINISHED = (
    CampaignEventKind.QUEUED,
    CampaignEventKind.STARTED,
    CampaignEventKind.PAUSED,
    CampaignEventKind.RESUMED,
    CampaignEventKind.AUDITED,
    CampaignEventKind.FINISHED,
)


@pytest.mark.parametrize(
    ("events", "expected_s"),
    [
        ([(QUEUED, 0)], 0.0),
        ([(QUEUED, 0), (STARTED, 40)], 60.0),
        ([(STARTED, 0), (PAUSED, 10)], 10.0),
        ([(STARTED, 0), (PAUSED, 10), (RESUMED, 70)], 40.0),
        ([(STARTED, 0), (PAUSED, 10), (RESUMED, 20), (PAUSED, 30), (RESUMED, 90)], 30.0),
        ([(STARTED, 0), (AUDITED, 20)], 100.0),
        ([(STARTED, 0), (AUDITED, 20), (PAUSED, 30), (AUDITED, 40)], 30.0),
        ([(STARTED, 0), (FINISHED, 20)], 20.0),
        ([(STARTED, 0), (PAUSED, 10), (FINISHED, 20)], 10.0),
        ([(STARTED, 0), (FINISHED, 20), (QUEUED, 50), (STARTED, 60)], 60.0),
    ],
)
def test_waiting_in_the_queue_pauses_and_the_time_after_an_end_are_not_counted(events, expected_s):
    stored = [
        CampaignEvent(campaign_id="c", kind=kind, at=START + timedelta(seconds=at))
        for kind, at in events
    ]
    assert worked_s(stored, START + timedelta(seconds=100)) == expected_s
