"""What every screen says of a round before its proof."""

from rsi.agent.report.reasons import reason_line
from rsi.agent.report.sentences import round_sentence
from rsi.agent.store.rounds import RoundView
from rsi.tui.draw.phrases import ended
from rsi.tui.draw.styled import DASH, Line, Role
from rsi.tui.model.view import CampaignView


def idea(view: RoundView) -> str:
    """What was tried; what was planted is called that."""
    said = view.hypothesis or reason_line(view.reason) or DASH
    return said if view.planted is None else f"[planted {view.planted.kind.value}] {said}"


def sentence_line(view: RoundView, campaign: CampaignView | None) -> Line:
    """One line: the sign of a round's state, then its summary sentence."""
    text, role = ended(view)
    sign = text.split(" ", 1)[0]
    said = round_sentence(view) if campaign is None else round_sentence(view, gain=campaign.gain)
    return ((f"{sign} ", role), (said, Role.STRONG))
