"""Screens as text at three sizes, beside what it was when somebody last looked at it.

`RSI_SNAPSHOTS=write pytest tests/tui/screens/test_snapshots.py` takes new ones over; look at the difference before keeping it.
"""

import os
import re
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from tests.tui.conftest import screen_text, until
from tests.tui.ledgers import Sample

from rsi.tui.app import CockpitApp
from rsi.tui.model.commands import SCREENS
from rsi.tui.model.settings import SECRET_VARIABLES

FOLDER = Path(__file__).parent / "snapshots"
SIZES = ((80, 24), (120, 36), (200, 50))
READY = {
    "queue": lambda app: app.view.campaign is not None,
    "run": lambda app: "step=300" in screen_text(app),
    "gate": lambda app: app.screen.diff.hunk_count > 0,
    "replay": lambda app: len(app.screen.store) == 16 and app.screen.event is not None,
    "lineage": lambda app: len(app.screen.tree_table.ids) == 6,
    "notebook": lambda app: len(app.screen.table.ids) == 5,
    "controls": lambda app: "intact" in screen_text(app),
    "settings": lambda app: (
        "may decide and ask" in screen_text(app) and "worker ok" in screen_text(app)
    ),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda each: f"{each[0]}x{each[1]}")
@pytest.mark.parametrize("mode", [each.value for each in SCREENS.values()])
@pytest.mark.slow
async def test_the_screen_looks_as_it_did(template, mode, size, monkeypatch):
    for name in SECRET_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # Where a folder is named, its length decides how lines are cut: it is the same in every run.
    with tempfile.TemporaryDirectory(prefix="rsi-") as folder:
        await _compare(template, Path(folder), mode, size)


async def _compare(template, folder, mode, size):
    shutil.copytree(template, folder / "home")
    sample = Sample(folder / "home")
    now = sample.ledger.steps("c1120-4f2a-0005")[-1].started_at + timedelta(seconds=100)
    sample.worker(at=now)
    app = CockpitApp(sample.ledger, home=sample.home, first_mode=mode, now=lambda: now)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: getattr(app.screen, "mode", "") == mode and READY[mode](app))
        before = ""
        # What was painted for 0.3 s counts as seen, and the screen says so: nothing is compared before that.
        while (shown := normal(screen_text(app), folder)) != before:
            before = shown
            await pilot.pause(0.6)
    path = FOLDER / f"{mode}_{size[0]}x{size[1]}.txt"
    if os.environ.get("RSI_SNAPSHOTS") == "write":
        FOLDER.mkdir(exist_ok=True)
        path.write_text(shown + "\n", encoding="utf-8")
    assert shown + "\n" == path.read_text(encoding="utf-8")


def normal(text: str, folder: Path) -> str:
    """Leave out what another folder or scroll bar position changes."""
    text = text.replace(str(folder), "FOLDER")
    text = re.sub(r" *FOLDER\S*", " LEDGER", text)
    text = re.sub(r"\b[0-9a-f]{10,40}\b", lambda match: "0" * len(match.group()), text)
    return re.sub(r"[▁▂▃▄▅▆▇]", " ", text)
