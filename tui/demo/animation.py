"""One animated picture of a round, put together from the pictures of the screens with a caption below each.

An SVG whose frames follow each other by its own style sheet: nothing runs, nothing is fetched, and it stays sharp. Does not:
draw anything of the cockpit; `screenshots` made each frame with the code that is shipped.
"""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from rsi.agent.store.records import Step
from rsi.tui.draw.captions import TEXTS
from rsi.tui.errors import CockpitError

NAME = "demo"
FRAMES: tuple[tuple[str, Step], ...] = (
    ("queue", Step.OPEN),
    ("replay", Step.PROPOSE),
    ("run", Step.MEASURE),
    ("gate", Step.DECIDE),
    ("lineage", Step.PROMOTE),
    ("notebook", Step.REPORT),
)
"""The picture of a screen, and the step of a round that its caption is about."""
SECONDS = 4.0
"""That each frame stays."""
CAPTION_PX = 46
_WHOLE = re.compile(r"<svg[^>]*viewBox=\"0 0 ([0-9.]+) ([0-9.]+)\"[^>]*>(.*)</svg>", re.DOTALL)


def animate(folder: Path, frames: Sequence[tuple[str, Step]] = FRAMES) -> Path:
    """Put the pictures of a folder together.

    Args:
        folder: Where `screenshots` left them; the animation goes there, too.
        frames: Names of pictures, and the step that is told below each.

    Raises:
        CockpitError: A picture is missing, or is none that the cockpit has drawn.
    """
    parts, width, height = [], 0.0, 0.0
    for number, (name, step) in enumerate(frames):
        path = folder / f"{name}.svg"
        found = _WHOLE.search(path.read_text(encoding="utf-8")) if path.is_file() else None
        if found is None:
            raise CockpitError(f"{path} is no picture of the cockpit; make it first")
        width, height = max(width, float(found[1])), max(height, float(found[2]))
        place = list(Step).index(step) + 1
        said = escape(f"{place}/{len(Step)}  {step.value}: {TEXTS[step]}")
        parts.append(
            f'<g class="frame" style="animation-delay:{number * SECONDS:g}s">'
            f'<svg viewBox="0 0 {found[1]} {found[2]}" width="{found[1]}" height="{found[2]}">{found[3]}</svg>'
            f'<text class="caption" x="24" y="{float(found[2]) + 30:g}">{said}</text></g>'
        )
    whole_s = SECONDS * len(frames)
    style = (
        f".frame{{visibility:hidden;animation:turn {whole_s:g}s step-end infinite}}"
        f"@keyframes turn{{0%{{visibility:visible}}{100 / len(frames):.4g}%{{visibility:hidden}}}}"
        ".caption{font:600 22px ui-monospace,Menlo,Consolas,monospace;fill:#e6e6e6}"
        "@media (prefers-reduced-motion:reduce){.frame{animation:none}.frame:first-of-type{visibility:visible}}"
    )
    path = folder / f"{NAME}.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height + CAPTION_PX:g}">'
        f'<style>{style}</style><rect width="100%" height="100%" rx="8" fill="#1c1f26"/>{"".join(parts)}</svg>\n',
        encoding="utf-8",
    )
    return path
