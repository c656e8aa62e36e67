"""What is typed in one burst means what it means when it is typed slowly: no letter of it is a command."""

import pytest
from tests.tui.ledgers import Sample
from tests.tui.terminals import Terminal

from rsi.agent.store.ledger import Ledger
from rsi.tui.app import CockpitApp
from rsi.tui.screens.dialogues.filtering import FilterInput

LETTERS = "pwnedxsRKJmicarFBbq"
"""Most of them are commands somewhere, some of them of the kind that changes a campaign."""
BURST = f"/{LETTERS}"


def facts(home) -> str:
    """What is in the ledger, but for the beats of workers."""
    with Ledger.open(home) as ledger:
        return ledger.cursor().rpartition(".")[0]


@pytest.fixture
def busy(tmp_path):
    """A home with a campaign under way and one that waits, so that keys find something to act on."""
    sample = Sample(tmp_path / "home")
    sample.campaign("c1120-next")
    sample.play(sample.campaign())
    sample.worker()
    yield sample
    sample.ledger.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["queue", "run", "replay", "notebook"])
def test_a_filter_typed_in_one_burst_filters(busy, mode):
    before = facts(busy.home)
    terminal = Terminal(busy.home.root, "--screen", mode)
    try:
        terminal.wait_for("worker ok")
        terminal.wait_for("c1120-4f2a")
        terminal.read(1.0)
        terminal.press(BURST, 0.1)
        terminal.wait_for(LETTERS)
        assert facts(busy.home) == before
        terminal.press("\x1b", 0.5)
        terminal.wait_for("worker ok")
    finally:
        code = terminal.close()
    assert code == 0


@pytest.mark.slow
def test_a_reason_typed_in_one_burst_with_its_key_is_that_reason(busy):
    terminal = Terminal(busy.home.root, "--screen", "gate")
    try:
        terminal.wait_for("hunks")
        terminal.press("rapqx: too risky\r", 0.1)
        terminal.wait_for("Nothing waits.")
    finally:
        code = terminal.close()
    assert code == 0
    decisions = busy.ledger.decisions("c1120-4f2a-0005")
    assert [each.reason for each in decisions] == ["apqx: too risky"]


@pytest.mark.slow
def test_a_word_to_the_agent_and_a_command_of_the_palette_in_one_burst(busy):
    terminal = Terminal(busy.home.root, "--screen", "run")
    try:
        terminal.wait_for("worker ok")
        terminal.wait_for("bf16 autocast")
        terminal.press("ipx stop it\r:notebook\r/bf16\r", 0.1)
        terminal.wait_for("Ideas")
        terminal.wait_for("/bf16")
    finally:
        code = terminal.close()
    assert code == 0
    assert [each.payload.text for each in busy.ledger.requests()] == ["px stop it"]


@pytest.mark.slow
def test_a_paste_behind_the_key_reaches_the_filter(busy):
    terminal = Terminal(busy.home.root, "--screen", "notebook")
    try:
        terminal.wait_for("bf16 autocast")
        terminal.press("/\x1b[200~batch gather\x1b[201~\r", 0.1)
        terminal.wait_for("/batch gather")
    finally:
        code = terminal.close()
    assert code == 0


async def test_keys_that_come_at_once_meet_the_focus_that_the_first_one_moved(sample):
    app = CockpitApp(sample.ledger, home=sample.home)
    async with app.run_test(size=(120, 36)) as pilot:
        while app.view.campaign is None:
            await pilot.pause()
        for key in ("slash", *LETTERS):
            app.simulate_key(key)
        field = app.screen.query_one(FilterInput)
        for _ in range(200):
            if field.value == LETTERS:
                break
            await pilot.pause(0.02)
        assert field.value == LETTERS
    assert not sample.ledger.requests()
