"""Small words: durations, money, ratios, ids; the same thing is written the same way on every screen."""

from datetime import datetime

from rsi.agent.report.reasons import ended_text
from rsi.agent.report.sentences import says_nothing
from rsi.agent.store.records import CampaignState
from rsi.agent.store.rounds import RoundView
from rsi.evals.types import Interval, Severity, Verdict
from rsi.tui.draw.styled import DASH, TIMES, Role, Span

_CAMPAIGN = {
    CampaignState.QUEUED: ("○ queued", Role.DIM),
    CampaignState.RUNNING: ("● running", Role.ACCENT),
    CampaignState.PAUSED: ("‖ paused", Role.WARN),
    CampaignState.PARKED: ("▲ parked", Role.WARN),
    CampaignState.STOPPED: ("■ stopped", Role.DIM),
    CampaignState.FINISHED: ("✔ finished", Role.GOOD),
    CampaignState.FAILED: ("✖ failed", Role.BAD),
}
_GOOD_WORDS = frozenset({"promoted", "supported", "ok", "approve", "approved"})
_BAD_WORDS = frozenset(
    {"refuted", "rejected", "not_admitted", "tampered", "out_of_turn", "crashed", "timeout", "oom", "invalid_output",
     "invalid", "harness_error", "does_not_apply"}
)  # fmt: skip
EFFECT_CELLS = 23
"""Of a column of intervals."""
ENDED_CELLS = 24
"""Of a column that says how rounds ended and why."""
_SIGNS = {
    "promoted": "✔", "supported": "✔", "ok": "✔", "refuted": "✖", "rejected": "✖", "inconclusive": "≈",
    "invalid": "✖", "not_admitted": "⊘", "tampered": "⊘", "out_of_turn": "⊘", "crashed": "✖", "timeout": "✖", "oom": "✖",
    "invalid_output": "✖", "withdrawn": "↩", "gave_up": "∅", "no_patch": "∅", "empty": "∅", "stale": "↻",
    "gate": "▲", "stopped": "■", "harness_error": "!",
}  # fmt: skip


def campaign_state(state: CampaignState) -> Span:
    """A campaign's state with its sign."""
    return _CAMPAIGN[state]


def round_word(word: str) -> Span:
    """A round's word with its sign: a verdict, "gate" or a step."""
    role = Role.TEXT
    if word in _GOOD_WORDS:
        role = Role.GOOD
    elif word in _BAD_WORDS:
        role = Role.BAD
    elif word == "gate":
        role = Role.WARN
    elif word not in _SIGNS:
        role = Role.ACCENT
    return f"{_SIGNS.get(word, '▸')} {word.replace('_', ' ')}", role


def ended(view: RoundView) -> Span:
    """Where a round is, or how it ended and why, with its sign: "✖ refuted: quality hidden_bpb"."""
    word, role = round_word(view.word)
    return f"{word.split(' ', 1)[0]} {ended_text(view)}", role


def verdict_role(verdict: Verdict) -> Role:
    """Colour of a verdict; the word stands beside it."""
    match verdict:
        case Verdict.SUPPORTED:
            return Role.GOOD
        case Verdict.REFUTED | Verdict.INVALID:
            return Role.BAD
        case Verdict.INCONCLUSIVE:
            return Role.WARN


def severity(value: Severity) -> Span:
    """A finding's severity with its sign."""
    match value:
        case Severity.BLOCK:
            return "✖ block", Role.BAD
        case Severity.HOLD:
            return "▲ hold", Role.WARN
        case Severity.NOTE:
            return "· note", Role.NOTE


def ratio(value: float | None) -> str:
    """1.0834 is "1.08x" with the real sign; None is a dash."""
    if value is None:
        return DASH
    return f"{value:.0f}{TIMES}" if value >= 100 else f"{value:.2f}{TIMES}"


def interval(value: Interval | None) -> str:
    """An estimate with its bounds and their level; one that says nothing is marked, and gives its bounds alone."""
    if value is None:
        return DASH
    level = f"{value.confidence:.0%}"
    if says_nothing(value):
        return f"? {value.low:.2f} to {value.high:.2f} {level}"
    return f"{ratio(value.estimate)} [{value.low:.2f}, {value.high:.2f}] {level}"


def usd(value: float | None) -> str:
    """Dollars with cents, or with more digits when there are only fractions of a cent."""
    if value is None:
        return DASH
    if 0 < value < 0.01:
        return f"${value:.4f}"
    return f"${value:,.2f}"


def paid(spent: float, reserved: float) -> str:
    """Dollars that were really paid, with those apart that are only reserved."""
    return usd(spent) if reserved <= 0 else f"{usd(spent - reserved)} + {usd(reserved)} reserved"


def paid_briefly(spent: float, reserved: float) -> str:
    """Dollars really paid, for a column: a plus where more is reserved, a dash where nothing was spent."""
    return (usd(spent - reserved) + ("+" if reserved > 0 else "")) if spent else DASH


def device(seconds: float) -> str:
    """Device seconds of a campaign or a lineage: as many as were used, never turned into minutes that look like waiting."""
    return f"{seconds:,.0f} device s"


def duration(seconds: float) -> str:
    """Two units at most: "41 s", "2 m 05 s", "12 m", "3 h 05 m", "2 d 4 h"."""
    total = max(0, round(seconds))
    if total < 100:
        return f"{total} s"
    if total < 600:
        return f"{total // 60} m {total % 60:02} s"
    if total < 6_000:
        return f"{total // 60} m"
    if total < 172_800:
        return f"{total // 3600} h {total % 3600 // 60:02} m"
    return f"{total // 86_400} d {total % 86_400 // 3600} h"


def age(then: datetime, now: datetime) -> str:
    """How long ago, without "ago"."""
    return duration((now - then).total_seconds())


def count(value: int) -> str:
    """Large counts shortened: 182k, 4.1M."""
    if value < 10_000:
        return f"{value:,}"
    if value < 1_000_000:
        return f"{value / 1000:.0f}k"
    return f"{value / 1e6:.1f}M"


def size(value: float) -> str:
    """Bytes in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return ""


def short_commit(value: str | None) -> str:
    """The first ten digits of a commit."""
    return DASH if value is None else value[:10]


def clock(moment: datetime) -> str:
    """Local wall clock."""
    return f"{moment.astimezone():%H:%M:%S}"


def plural(number: int, word: str) -> str:
    """A number and its word, such as "1 round" or "2 rounds"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
