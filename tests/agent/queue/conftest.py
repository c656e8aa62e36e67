"""An engine's queue and workers that are only told of: nobody runs anything."""

import pytest
from tests.agent.run import scripted

from rsi.agent.queue.worker import Housekeeping, engine_url
from rsi.agent.run.engine import EngineClient


@pytest.fixture
def client(home):
    made = EngineClient(engine_url(home))
    yield made
    made.close()


@pytest.fixture
def queue(ledger, client, tmp_path):
    """A campaign in ledger and engine that asks for these machines."""

    def go(*wishes):
        campaign_id = scripted.queue(
            ledger, tmp_path / "s.toml", [scripted.idea("01_null")], on=wishes
        )
        client.queue(campaign_id)
        return campaign_id

    return go


@pytest.fixture
def worker(ledger, client):
    def go(*labels, **settings):
        keeper = Housekeeping(ledger, client, exit_when_idle=False, labels=labels, **settings)
        keeper.beat()
        return keeper

    return go


def taken(client, keeper):
    """What a worker was given, in the engine's own words."""
    return {campaign_id for campaign_id, _ in client.unfinished([keeper.worker.id])}
