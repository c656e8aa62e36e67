"""Pictures of every screen, made by the cockpit itself from the recorded campaign: `python -m rsi.tui.demo.screenshots`.

They are drawn from what was really measured and by the code that is shipped, so a picture cannot promise what the
cockpit does not have.
"""

import asyncio
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from textual.pilot import Pilot

from rsi.tui.app import CockpitApp
from rsi.tui.demo import animation
from rsi.tui.demo.player import demo_home
from rsi.tui.errors import CockpitError
from rsi.tui.model.commands import SCREENS, Scope
from rsi.tui.widgets.diffview import DiffView

FOLDER = Path("docs") / "screenshots"
SIZE = (120, 36)
SETTLE_S = 20.0
MOMENT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""When the last recorded fact seems to have happened; fixed, so that the same code makes the same pictures."""
AFTERWARDS = timedelta(seconds=12)
_OUTSIDE_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture."""

    name: str
    keys: tuple[str, ...]
    """Pressed one after the other from the queue."""
    is_whole: bool = True
    """Show the whole campaign; otherwise the moment when a candidate is at the gate."""
    may_decide: bool = False
    """As a person sees it whose cockpit may write."""
    theme: str = "rsi-dark"
    until: Callable[[CockpitApp], bool] = lambda app: bool(app.view.campaigns)


def _has_diff(app: CockpitApp) -> bool:
    views = list(app.screen.query(DiffView))
    return bool(views) and views[0].hunk_count > 0


def _has_lineage(app: CockpitApp) -> bool:
    return bool(app.view.lineage)


def _has_round(app: CockpitApp) -> bool:
    return app.view.round is not None


_DIGIT = {scope: key for key, scope in SCREENS.items()}
_TO_RUN = (_DIGIT[Scope.RUN], *("k",) * 7)
_TO_GATE = _DIGIT[Scope.GATE]

_CHOSEN: tuple[Shot, ...] = (
    Shot(name="queue", keys=(), until=lambda app: app.view.campaign is not None),
    Shot(name="run", keys=_TO_RUN, until=_has_round),
    Shot(name="gate", keys=(_TO_GATE, "ctrl+d"), is_whole=False, may_decide=True, until=_has_diff),
    Shot(name="gate_light_split", keys=(_TO_GATE, "v", "ctrl+d"), is_whole=False, may_decide=True, theme="rsi-light", until=_has_diff),
    Shot(name="replay", keys=(*_TO_RUN, _DIGIT[Scope.REPLAY], "right_square_bracket", "right_square_bracket"), until=_has_round),
    Shot(name="lineage", keys=(_DIGIT[Scope.LINEAGE], "j"), until=_has_lineage),
    Shot(name="notebook", keys=(_DIGIT[Scope.NOTEBOOK], *("j",) * 6), until=_has_lineage),
    Shot(name="controls", keys=(_DIGIT[Scope.CONTROLS],), until=_has_lineage),
    Shot(name="help", keys=(_TO_GATE, "question_mark"), is_whole=False, may_decide=True, until=lambda app: bool(app.view.gate)),
)  # fmt: skip
SHOTS: tuple[Shot, ...] = (
    *_CHOSEN,
    *(
        Shot(name=scope.value, keys=(key,))
        for scope, key in _DIGIT.items()
        if scope.value not in {each.name for each in _CHOSEN}
    ),
)
"""What is drawn; a screen without a moment of its own is drawn as it opens."""


async def take(shot: Shot, folder: Path) -> Path:
    """Make one picture.

    Raises:
        CockpitError: What it shows did not appear, or the recording cannot be read.
    """
    with demo_home(is_whole=shot.is_whole, is_playing=False, now=lambda: MOMENT) as (home, ledger):
        app = CockpitApp(
            ledger,
            home=home,
            is_read_only=not shot.may_decide,
            is_demo=True,
            now=lambda: MOMENT + AFTERWARDS,
        )
        async with app.run_test(size=SIZE) as pilot:
            app.theme = shot.theme
            await _wait(pilot, lambda: bool(app.view.campaigns), shot)
            for key in shot.keys:
                await pilot.press(key)
                await pilot.pause(0.3)
            await _wait(pilot, lambda: shot.until(app), shot)
            await pilot.pause(1.0)
            picture = app.export_screenshot(title=f"rsi: {shot.name.split('_')[0]}")
    path = folder / f"{shot.name}.svg"
    # Fonts of another site would be fetched by every reader of the page.
    path.write_text(_OUTSIDE_FONT.sub("", picture), encoding="utf-8")
    return path


async def _wait(pilot: Pilot[None], holds: Callable[[], bool], shot: Shot) -> None:
    end_s = time.monotonic() + SETTLE_S
    while not holds():
        if time.monotonic() > end_s:
            raise CockpitError(
                f"picture {shot.name!r}: what it shows did not appear in {SETTLE_S:.0f} s"
            )
        await pilot.pause(0.05)


def main(argv: Sequence[str]) -> int:
    """Make all pictures, or those that are named, into docs/screenshots, and the animation of them."""
    # Times of day are drawn in this zone on every machine.
    os.environ["TZ"] = "UTC"
    time.tzset()
    chosen = [each for each in SHOTS if not argv or each.name in argv]
    FOLDER.mkdir(parents=True, exist_ok=True)
    for shot in chosen:
        sys.stdout.write(f"{asyncio.run(take(shot, FOLDER))}\n")
    if not argv or animation.NAME in argv:
        sys.stdout.write(f"{animation.animate(FOLDER)}\n")
    return 0 if chosen or animation.NAME in argv else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
