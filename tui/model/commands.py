"""The one registry of what a person can do: key bindings, palette, footer and help all come from it.

Invariant: an id names one action in one scope; two actions never share a key within a scope and the scopes above it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from textual.binding import Binding, BindingType


class Scope(StrEnum):
    """Where a command works: everywhere, in panes of a kind, or on one screen, which then has its whole entry here."""

    label: str
    purpose: str
    target: str
    """Module and class of the screen; empty where this is none."""

    def __new__(cls, word: str, label: str = "", purpose: str = "", target: str = "") -> Self:
        member = str.__new__(cls, word)
        member._value_, member.label, member.purpose, member.target = word, label, purpose, target
        return member

    GLOBAL = "everywhere"
    LIST = "lists"
    DIFF = "diff"
    CURVE = "curves"
    LOG = "log"
    QUEUE = "queue", "Queue", "Campaigns and what waits for you.", "queue:QueueScreen"
    RUN = "run", "Run", "One campaign, live.", "run:RunScreen"
    GATE = "gate", "Gate", "Decide about candidates.", "gate:GateScreen"
    REPLAY = "replay", "Replay", "An agent's steps, one by one.", "replay.screen:ReplayScreen"
    LINEAGE = (
        "lineage",
        "Lineage",
        "Champions, candidates and the leaderboard.",
        "lineage:LineageScreen",
    )
    NOTEBOOK = (
        "notebook",
        "Notebook",
        "Every idea with its result and lesson.",
        "notebook:NotebookScreen",
    )
    CONTROLS = (
        "controls",
        "Controls",
        "How far the pipeline itself can be trusted.",
        "controls:ControlsScreen",
    )
    SETTINGS = (
        "settings",
        "Settings",
        "Key bindings, theme, workers, and which API keys are set.",
        "settings:SettingsScreen",
    )


SCREENS: Mapping[str, Scope] = {
    str(number): each for number, each in enumerate((one for one in Scope if one.target), start=1)
}
"""The cockpit's screens by the key that opens each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One thing a person can do."""

    id: str
    """Stable name, used in the keymap of the settings file."""
    keys: str
    """Textual key names, separated by commas; the first is shown."""
    title: str
    """Two words for the footer and the palette."""
    help: str
    """One sentence."""
    action: str
    """Textual action on the widget, screen or app that has this scope."""
    scope: Scope
    in_footer: bool = True
    writes: bool = False
    """Writes a decision, a request or a file: not available read-only."""
    undo: str = ""
    """Id of the command that takes it back; what has none and changes a campaign asks before it writes."""


def _c(
    scope: Scope, name: str, keys: str, title: str, text: str, action: str, *,
    footer: bool = True, writes: bool = False, undo: str = "",
) -> Command:  # fmt: skip
    return Command(
        id=f"{scope.name.lower()}.{name}", keys=keys, title=title, help=text, action=action,
        scope=scope, in_footer=footer, writes=writes, undo=undo,
    )  # fmt: skip


OUTSIDE = (
    ("pager", "o", "Pager", "Read the diff of the round under the cursor, or the focused pane, in $PAGER, made safe."),
    ("editor", "O", "Editor", "The same in $EDITOR, made safe."),
)  # fmt: skip
_OWN_OUTSIDE = frozenset({Scope.GATE, Scope.REPLAY})
"""Screens that say more exactly what they open."""

COMMANDS: tuple[Command, ...] = (
    # --- everywhere ---
    *(
        _c(Scope.GLOBAL, each.value, key, each.label, each.purpose, f"mode('{each.value}')", footer=False)
        for key, each in SCREENS.items()
    ),
    _c(Scope.GLOBAL, "help", "question_mark,f1", "Help", "What can be done here, and with which key.", "help"),
    _c(Scope.GLOBAL, "palette", "colon,ctrl+p", "Commands", "Find any command, campaign or round by name.", "command_palette", footer=False),
    _c(Scope.GLOBAL, "next_gate", "exclamation_mark", "Next waiting", "Go to the candidate with the least doubts and most to gain.", "next_gate", footer=False),
    _c(Scope.GLOBAL, "theme", "T", "Theme", "Dark, light, no colour.", "cycle_theme", footer=False),
    _c(Scope.GLOBAL, "zoom", "z", "Zoom", "Give the focused pane the whole screen, or take it back.", "zoom", footer=False),
    _c(Scope.GLOBAL, "copy", "y", "Copy", "Copy what is selected with the mouse, else the id under the cursor, to the clipboard.", "copy_id", footer=False),
    _c(Scope.GLOBAL, "screenshot", "ctrl+s", "Screenshot", "Save this screen as an SVG file.", "save_screen", footer=False, writes=True),
    _c(Scope.GLOBAL, "back", "escape", "Back", "Leave the search, the dialogue or the screen.", "back", footer=False),
    _c(Scope.GLOBAL, "quit", "q,ctrl+q", "Quit", "Close the cockpit; campaigns go on.", "leave"),
    # --- programs outside, on every screen ---
    *(
        _c(scope, name, keys, title, text, name, footer=False)
        for scope in SCREENS.values()
        for name, keys, title, text in OUTSIDE
        if scope not in _OWN_OUTSIDE
    ),
    # --- lists ---
    _c(Scope.LIST, "down", "j,down", "Down", "One line down.", "move(1)", footer=False),
    _c(Scope.LIST, "up", "k,up", "Up", "One line up.", "move(-1)", footer=False),
    _c(Scope.LIST, "page_down", "ctrl+d,pagedown", "Page down", "One page down.", "page(1)", footer=False),
    _c(Scope.LIST, "page_up", "ctrl+u,pageup", "Page up", "One page up.", "page(-1)", footer=False),
    _c(Scope.LIST, "first", "g,home", "First", "To the first line.", "first", footer=False),
    _c(Scope.LIST, "last", "G,end", "Last", "To the last line; a log follows again.", "last", footer=False),
    # --- diff ---
    _c(Scope.DIFF, "next_hunk", "right_square_bracket,n", "Next hunk", "To the next hunk.", "hunk(1)", footer=False),
    _c(Scope.DIFF, "previous_hunk", "left_square_bracket,N", "Previous hunk", "To the hunk before.", "hunk(-1)", footer=False),
    _c(Scope.DIFF, "next_file", "right_curly_bracket", "Next file", "To the next file.", "file(1)", footer=False),
    _c(Scope.DIFF, "previous_file", "left_curly_bracket", "Previous file", "To the file before.", "file(-1)", footer=False),
    _c(Scope.DIFF, "split", "v", "Split", "Side by side, or one below the other.", "toggle_split", footer=False),
    # --- curves and logs ---
    _c(Scope.CURVE, "log", "L", "Log scale", "Logarithmic y axis.", "toggle_log", footer=False),
    _c(Scope.CURVE, "smooth", "s", "Smooth", "Moving average over the raw envelope.", "toggle_smooth", footer=False),
    _c(Scope.CURVE, "left", "left", "Read left", "Move the reading line left.", "probe(-1)", footer=False),
    _c(Scope.CURVE, "right", "right", "Read right", "Move the reading line right.", "probe(1)", footer=False),
    _c(Scope.LOG, "follow", "f", "Follow", "Stay at the end of the log.", "last", footer=False),
    # --- queue ---
    _c(Scope.QUEUE, "open", "enter", "Open", "Show the campaign live, or its candidate at the gate.", "open"),
    _c(Scope.QUEUE, "new", "n", "New", "Queue a campaign.", "new_campaign", writes=True),
    _c(Scope.QUEUE, "clone", "c", "Clone", "Queue a campaign with the same settings.", "clone", footer=False, writes=True),
    _c(Scope.QUEUE, "pause", "p", "Pause", "Pause after the step or agent's turn under way, or go on.", "pause", writes=True, undo="queue.pause"),
    _c(Scope.QUEUE, "stop", "x", "Stop", "End the campaign and keep everything.", "stop", writes=True),
    _c(Scope.QUEUE, "retry", "R", "Requeue", "Let a campaign go on that failed, was stopped or spent its budget.", "retry", footer=False, writes=True),
    _c(Scope.QUEUE, "sooner", "K", "Sooner", "One place up in the queue.", "priority(1)", footer=False, writes=True, undo="queue.later"),
    _c(Scope.QUEUE, "later", "J", "Later", "One place down in the queue.", "priority(-1)", footer=False, writes=True, undo="queue.sooner"),
    _c(Scope.QUEUE, "filter", "slash", "Filter", "Show matching campaigns only; !word shows the others.", "filter"),
    _c(Scope.QUEUE, "sort", "s", "Sort", "By time, state, promotions, gain or spend.", "sort", footer=False),
    _c(Scope.QUEUE, "agenda", "a", "Agenda", "What to run next, by expected gain per dollar with its reasons; one key queues a line.", "agenda", footer=False),
    # --- run ---
    _c(Scope.RUN, "open", "enter", "Open", "Replay the round, or decide when it is at the gate.", "open"),
    _c(Scope.RUN, "message", "i", "Message", "Say something to the agent at its next turn.", "message", writes=True),
    _c(Scope.RUN, "pause", "p", "Pause", "Pause after the step or agent's turn under way, or go on.", "pause", writes=True, undo="run.pause"),
    _c(Scope.RUN, "stop", "x", "Stop", "End the campaign and keep everything.", "stop", writes=True),
    _c(Scope.RUN, "budget", "b", "Budget", "Change what the models may cost.", "budget", footer=False, writes=True),
    _c(Scope.RUN, "filter", "slash", "Filter", "Show matching rounds only, by idea, ending or reason; in the log, matching lines.", "filter", footer=False),
    _c(Scope.RUN, "previous_campaign", "left_parenthesis,comma", "Previous", "The campaign before.", "campaign(-1)", footer=False),
    _c(Scope.RUN, "next_campaign", "right_parenthesis,full_stop", "Next", "The campaign after.", "campaign(1)", footer=False),
    # --- gate ---
    _c(Scope.GATE, "unseen", "space", "Read on", "To the first line of the diff that was not on the screen yet.", "unseen"),
    _c(Scope.GATE, "approve", "a", "Approve", "Promote; possible once every hunk was on the screen.", "approve", writes=True),
    _c(Scope.GATE, "reject", "r", "Reject", "Turn it down with a reason.", "reject", writes=True),
    _c(Scope.GATE, "revise", "c", "Send back", "Send it back with a note.", "revise", writes=True),
    _c(Scope.GATE, "rerun", "m", "More pairs", "Measure more pairs before deciding; asks first, for it takes device time.", "more_pairs", writes=True),
    _c(Scope.GATE, "edit", "e", "Edit", "Change the candidate in your editor and measure it again.", "edit", footer=False, writes=True),
    _c(Scope.GATE, "findings", "f", "Findings", "To the next finding in the diff.", "next_finding"),
    _c(Scope.GATE, "attempts", "b", "Attempts", "What changed since the attempt before, below the note that sent it back.", "attempts", footer=False),
    _c(Scope.GATE, "inbox", "tab", "Next pane", "Move between inbox, evidence and diff.", "app.focus_next", footer=False),
    _c(Scope.GATE, "pager", "o", "Pager", "Read the diff in $PAGER, made safe.", "pager", footer=False),
    _c(Scope.GATE, "editor", "O", "Editor", "Read the diff in $EDITOR, made safe; nothing is sent back.", "editor", footer=False),
    _c(Scope.GATE, "replay", "w", "Watch", "Replay how the agent got there.", "watch", footer=False),
    _c(Scope.GATE, "batch", "l", "Low risk", "What waits without a doubt, the most different on top, and how long decisions take.", "batch", footer=False),
    # --- replay ---
    _c(Scope.REPLAY, "next", "l,right", "Next", "One step on.", "step(1)"),
    _c(Scope.REPLAY, "previous", "h,left", "Previous", "One step back.", "step(-1)"),
    _c(Scope.REPLAY, "start", "0", "Start", "To the first step.", "ends(-1)", footer=False),
    _c(Scope.REPLAY, "end", "dollar_sign", "End", "To the last step; a live one is followed.", "ends(1)", footer=False),
    _c(Scope.REPLAY, "next_round", "L", "Next round", "The round after.", "other_round(1)", footer=False),
    _c(Scope.REPLAY, "previous_round", "H", "Previous round", "The round before.", "other_round(-1)", footer=False),
    _c(Scope.REPLAY, "play", "space", "Play", "Play or stop.", "play"),
    _c(Scope.REPLAY, "faster", "plus", "Faster", "Twice the speed.", "speed(1)", footer=False),
    _c(Scope.REPLAY, "slower", "minus", "Slower", "Half the speed.", "speed(-1)", footer=False),
    _c(Scope.REPLAY, "next_edit", "right_square_bracket", "Next edit", "To the next edit.", "jump('edit',1)", footer=False),
    _c(Scope.REPLAY, "previous_edit", "left_square_bracket", "Previous edit", "To the edit before.", "jump('edit',-1)", footer=False),
    _c(Scope.REPLAY, "next_error", "right_curly_bracket", "Next error", "To the next error.", "jump('error',1)", footer=False),
    _c(Scope.REPLAY, "previous_error", "left_curly_bracket", "Previous error", "To the error before.", "jump('error',-1)", footer=False),
    _c(Scope.REPLAY, "next_measure", "right_parenthesis", "Next run", "To the next run of the training.", "jump('measure',1)", footer=False),
    _c(Scope.REPLAY, "kinds", "M", "Model only", "Show or hide the model's turns.", "toggle_kind('model')", footer=False),
    _c(Scope.REPLAY, "kind_tools", "t", "Tools", "Show or hide tool calls and their results.", "toggle_kind('tool')", footer=False),
    _c(Scope.REPLAY, "kind_thinking", "r", "Reasoning", "Show or hide the model's reasoning.", "toggle_kind('thinking')", footer=False),
    _c(Scope.REPLAY, "agent", "a", "Agent", "Proposer, critic, reviewer.", "other_agent"),
    _c(Scope.REPLAY, "code", "d", "Code", "The step itself, the code as of it, or its diff.", "other_view"),
    _c(Scope.REPLAY, "search", "slash", "Search", "Search all steps.", "search"),
    _c(Scope.REPLAY, "search_next", "n", "Next match", "To the next step that matches.", "search_next(1)", footer=False),
    _c(Scope.REPLAY, "search_previous", "N", "Previous match", "To the matching step before.", "search_next(-1)", footer=False),
    _c(Scope.REPLAY, "compare", "equals_sign,C", "Compare", "Mark this round; on another one, show both side by side from where they part.", "compare", footer=False),
    _c(Scope.REPLAY, "attempts", "b", "Attempts", "What changed since the attempt before, below the note that sent it back.", "attempts", footer=False),
    _c(Scope.REPLAY, "fork", "F", "Fork", "Queue a round that goes on after this turn of the agent, with a word to it if you like.", "fork", footer=False, writes=True),
    _c(Scope.REPLAY, "pager", "o", "Pager", "Read this step in $PAGER, made safe.", "pager", footer=False),
    _c(Scope.REPLAY, "editor", "e,O", "Editor", "Open this step in $EDITOR, made safe.", "editor", footer=False),
    # --- lineage ---
    _c(Scope.LINEAGE, "open", "enter", "Open", "Replay the round.", "open"),
    _c(Scope.LINEAGE, "mark", "space", "Mark", "Mark the candidate for comparing.", "mark"),
    _c(Scope.LINEAGE, "compare", "equals_sign", "Compare", "The diff between the two that are marked.", "compare"),
    _c(Scope.LINEAGE, "diff", "d", "Diff", "The candidate's diff to what it started from.", "diff"),
    _c(Scope.LINEAGE, "diff_baseline", "D", "To baseline", "The candidate's diff to the baseline.", "diff_baseline", footer=False),
    _c(Scope.LINEAGE, "attempts", "b", "Attempts", "What changed between the last two attempts, below the note that sent the earlier one back.", "attempts", footer=False),
    _c(Scope.LINEAGE, "sort", "s", "Sort", "By effect, time or cost.", "sort", footer=False),
    _c(Scope.LINEAGE, "filter", "slash", "Filter", "Show matching candidates only, by idea, ending or reason.", "filter", footer=False),
    _c(Scope.LINEAGE, "rollback", "B", "Roll back", "Make an earlier champion the champion again.", "rollback", footer=False, writes=True),
    _c(Scope.LINEAGE, "rollback_unseen", "W", "Window", "Take back at once every promotion since the last that a person saw; asks why first.", "rollback_unseen", footer=False, writes=True),
    # --- notebook ---
    _c(Scope.NOTEBOOK, "open", "enter", "Open", "Replay the round.", "open"),
    _c(Scope.NOTEBOOK, "filter", "slash", "Search", "Show matching ideas only, by idea, ending, reason or lesson.", "filter"),
    # --- controls ---
    _c(Scope.CONTROLS, "open", "enter", "Open", "Replay the control round.", "open"),
    _c(Scope.CONTROLS, "filter", "slash", "Filter", "Show matching controls only, by ending, reason or name.", "filter"),
    _c(Scope.CONTROLS, "over_time", "t", "Over time", "Capability and control of the lineage on one time axis.", "over_time", footer=False),
    _c(Scope.CONTROLS, "horizon", "h", "Horizon", "The length of task that each model finishes half of the time.", "horizon", footer=False),
    # --- settings ---
    _c(Scope.SETTINGS, "edit", "enter", "Change", "Change the setting under the cursor.", "edit"),
    _c(Scope.SETTINGS, "file", "e", "Edit file", "Open the settings file in $EDITOR.", "edit_file", writes=True),
)  # fmt: skip

BY_ID: Mapping[str, Command] = {each.id: each for each in COMMANDS}

_KEY_NAMES = {
    "question_mark": "?", "colon": ":", "slash": "/", "escape": "esc", "space": "space",
    "right_square_bracket": "]", "left_square_bracket": "[", "right_curly_bracket": "}",
    "left_curly_bracket": "{", "exclamation_mark": "!", "dollar_sign": "$", "plus": "+",
    "equals_sign": "=", "minus": "-", "left_parenthesis": "(", "right_parenthesis": ")",
    "comma": ",", "full_stop": ".", "pagedown": "pgdn", "pageup": "pgup", "left": "←", "right": "→",
    "up": "↑", "down": "↓",
}  # fmt: skip


def in_scope(*scopes: Scope) -> tuple[Command, ...]:
    """Commands of these scopes, in the registry's order."""
    return tuple(each for each in COMMANDS if each.scope in scopes)


def bindings(*scopes: Scope) -> list[BindingType]:
    """Textual bindings of these scopes; the id lets the keymap replace the keys."""
    return [
        Binding(each.keys, each.action, each.title, show=False, id=each.id, tooltip=each.help)
        for each in in_scope(*scopes)
    ]


def shown_key(keys: str) -> str:
    """The first of some keys, as a person reads it: "question_mark,f1" is "?"."""
    first = keys.split(",")[0].strip()
    *modifiers, key = first.split("+")
    name = _KEY_NAMES.get(key, key)
    return "".join("^" if each == "ctrl" else f"{each}+" for each in modifiers) + name


def shown_keys(keys: str) -> str:
    """All keys, as a person reads them."""
    return " ".join(shown_key(each) for each in keys.split(","))


def clashes(keymap: Mapping[str, str], commands: Iterable[Command] = COMMANDS) -> list[str]:
    """Sentences about keys that would mean two things in one place.

    Args:
        keymap: Keys by command id, as in the settings file.
        commands: The registry.
    """
    above = {Scope.GLOBAL}
    taken: dict[tuple[Scope, str], str] = {}
    found = []
    for each in commands:
        for key in keymap.get(each.id, each.keys).split(","):
            key = key.strip()
            for scope in {each.scope, *above} if each.scope not in above else {each.scope}:
                other = taken.get((scope, key))
                if other is not None and other != each.id:
                    found.append(f"key {shown_key(key)!r} is both {other} and {each.id}")
            taken[each.scope, key] = each.id
    return found
