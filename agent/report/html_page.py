"""A report as one HTML file that needs nothing else: no scripts, no fonts, no links out; light, dark, phone and print.

Everything that the template fills in passes `safe_text` and is escaped, whoever wrote it; only our own plots are not.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from rsi.agent.report import plots, wording
from rsi.agent.report.campaign_report import CampaignReport
from rsi.agent.safe import safe_text

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE = "page.html.j2"
_WORDS = (
    "about_rows",
    "absolute_text",
    "claim_text",
    "confidence_text",
    "cost_lines",
    "duration_text",
    "headline",
    "horizon_sentence",
    "interval_text",
    "is_wrong",
    "planted_text",
    "prediction_text",
    "short",
    "speedup_sentence",
    "standing_lines",
    "time_sentence",
    "why_text",
)
"""What the template may call of `wording`."""
_PLOTS = ("effect_plot", "horizon_plot", "standing_plot", "time_bars")
"""And of `plots`, marked as safe there: what a plot draws of others it has made safe and escaped itself."""


PARTS = (
    ("champion", "champion"), ("effects", "effects"), ("rounds", "rounds"), ("lineage", "lineage"),
    ("controls", "controls"), ("horizon", "horizon"), ("time", "time"), ("cost", "cost"),
)  # fmt: skip
"""Anchor of each part of the page, and what the contents call it."""


def html_page(report: CampaignReport) -> str:
    """The whole page."""
    lines = {each.line.record.id: each.line for each in report.rounds}
    return _template().render(
        report=report,
        parts=PARTS,
        moves=[(move, lines[move.round_id]) for move in report.promotions],
        planted=[line for line in lines.values() if line.planted is not None],
    )


@cache
def _template() -> "Template":
    # Here, not above: a report is the only thing that needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: value if hasattr(value, "__html__") else safe_text(str(value)),
    )
    environment.globals |= {name: getattr(wording, name) for name in _WORDS}
    environment.globals |= {name: getattr(plots, name) for name in _PLOTS}
    return environment.get_template(TEMPLATE)
