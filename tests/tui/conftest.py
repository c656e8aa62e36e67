"""What the cockpit's tests share: a sample home, and how to wait for the feed."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len
from tests.tui.ledgers import Sample
from textual.app import App
from textual.pilot import Pilot

from rsi.tui.screens.dialogues.asking import Confirm


@pytest.fixture(autouse=True)
def _plain_world(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No colour switch, no animation, one time zone, whatever shell runs the tests."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    os.environ.pop("TZ", None)
    time.tzset()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one campaign of five rounds, written once; the last round waits at the gate."""
    folder = tmp_path_factory.mktemp("template") / "home"
    made = Sample(folder)
    made.play(made.campaign())
    made.ledger.close()
    return folder


@pytest.fixture
def sample(template: Path, tmp_path: Path) -> Iterator[Sample]:
    """A copy of that home, with a worker that has just beaten."""
    shutil.copytree(template, tmp_path / "home")
    made = Sample(tmp_path / "home")
    # What a test adds happens after what is there.
    made.now = made.ledger.steps("c1120-4f2a-0005")[-1].started_at + timedelta(minutes=1)
    made.worker()
    yield made
    made.ledger.close()


async def until(
    pilot: Pilot[object],
    holds: Callable[[], bool],
    *,
    seconds: float = 60.0,
    each: Callable[[], object] = lambda: None,
) -> None:
    """Let the application work until something holds, doing something each time; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        each()
        await pilot.pause(0.02)
    await pilot.pause()


async def say_yes(pilot: Pilot[object]) -> None:
    """Answer the question that a key has brought up, once it takes answers."""
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, Confirm) and app.screen.is_settled)
    await pilot.press("y")


def screen_text(app: App[object]) -> str:
    """What the terminal would show, as lines of text."""
    strips = app.screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip) for strip in strips]
    assert all(cell_len(line) == app.size.width for line in lines), "a line has the wrong width"
    return "\n".join(line.rstrip() for line in lines)
