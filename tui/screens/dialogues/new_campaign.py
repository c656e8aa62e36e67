"""The form that queues a campaign, with a forecast from campaigns of the same kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from rsi.agent.llm.resolve import provider_forms
from rsi.agent.policy.forecast import PastRounds, past_rounds
from rsi.agent.report.catalogue import found_words, headroom
from rsi.agent.search.choose import DEFAULT, strategy_kinds
from rsi.agent.store.codec import stored_fields
from rsi.agent.store.config import MAX_PARALLEL
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.records import CampaignRecord
from rsi.agent.store.task_checks import checks_of
from rsi.sandboxes.select import AUTO, backend_kinds
from rsi.tasks.errors import TaskError
from rsi.tasks.format.loader import list_tasks, load_task
from rsi.tasks.types import Task
from rsi.tui.actions import queue
from rsi.tui.cockpit import Cockpit
from rsi.tui.draw.phrases import duration, plural, usd
from rsi.tui.draw.safe import safe_line
from rsi.tui.draw.styled import Line, Role, line
from rsi.tui.model.settings import Settings
from rsi.tui.screens.dialogues.asking import SafeInput
from rsi.tui.waiting import when_done
from rsi.tui.widgets.bars import Bar
from rsi.tui.widgets.choice import Choice
from rsi.tui.widgets.paper import Paper

Words = Mapping[str, str]
"""What may be chosen, and what each means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One row of the form."""

    name: str
    label: str
    hint: str
    setting: str
    """Field of `CampaignConfig` that it fills; a campaign's own field for track and size."""
    text: str = ""
    words: Callable[[], Words] = dict
    """Looked up when the form opens; when not empty, one of these is chosen."""
    empty: str = ""
    """What an empty field means, shown in it."""


def _models() -> str:
    return ", ".join(each for each in provider_forms() if not each.startswith("scripted:"))


def _strategies() -> Words:
    return {each.name: each.meaning for each in strategy_kinds()}


def _backends() -> Words:
    return {
        AUTO: "the best that runs here",
        **{each.name: each.meaning for each in backend_kinds()},
    }


FIELDS: tuple[Field, ...] = (
    Field(name="task", label="task", setting="task_root", hint="chooses; the folder of your own task can be given to `rsi run`"),
    Field(name="track", label="track", setting="track", hint="chooses among the task's tracks"),
    Field(name="profile", label="size", setting="profile", hint="chooses; smaller sizes are quicker and claim less"),
    Field(name="proposer", label="model", setting="proposer", text="scripted:demo", hint="scripted:demo needs no key; {models}"),
    Field(name="critic", label="critic", setting="critic", text="none", hint="a model that objects before money is spent, or none"),
    Field(name="reviewer", label="reviewer", setting="reviewer", text="rules", hint="rules, or a model that reviews besides them"),
    Field(name="strategy", label="strategy", setting="strategy", words=_strategies, text=DEFAULT,
          hint="how the next idea's starting point is chosen"),
    Field(name="rounds", label="rounds", setting="rounds", text="8", hint="ideas to try"),
    Field(name="parallel", label="agents", setting="parallel", text="1",
          hint=f"that think at once, 1 to {MAX_PARALLEL}, each about an idea of its own; measured one after the other"),
    Field(name="autonomy", label="autonomy", setting="autonomy", text="1",
          words=lambda: {"1": "you approve each promotion", "2": "you see only risky ones", "3": "you see none"},
          hint="2 and 3 are earned by controls"),
    Field(name="budget_usd", label="budget $", setting="budget_usd", empty="no limit", hint="dollars that the models may cost; empty for no limit"),
    Field(name="budget_hours", label="hours", setting="budget_wall_s", empty="no limit", hint="wall hours of the whole campaign; empty for no limit"),
    Field(name="backend", label="sandbox", setting="backend", words=_backends, text=AUTO, hint="how untrusted code is walled in"),
    Field(name="on", label="machine", setting="on", empty="any", hint="only on such a one: gpu=h100, cpu=avx512, label=lab; several must all hold"),
)  # fmt: skip
_FROM_THE_TASK = frozenset({"task", "track", "profile"})
"""Fields whose words the tasks give."""


def kept_settings(record: CampaignRecord) -> dict[str, object]:
    """Settings of another campaign that the form does not show and a clone keeps; its seed is its own."""
    shown = {each.setting for each in FIELDS}
    return {
        name: value
        for name, value in stored_fields(record.config).items()
        if name not in shown and name != "seed"
    }


def form_values(record: CampaignRecord) -> dict[str, str]:
    """The form filled in as another campaign was, for cloning."""
    config = record.config
    # A task of the person's own is not among those that ship; its folder names it.
    is_known = any(each.name == record.task for each in list_tasks())
    task = record.task if is_known else config.task_root or record.task
    values = {"task": task, "track": record.track, "profile": record.profile}
    for name in ("proposer", "critic", "reviewer", "strategy", "backend"):
        values[name] = str(getattr(config, name))
    values["rounds"], values["parallel"] = str(config.rounds), str(config.parallel)
    values["autonomy"] = str(config.autonomy)
    values["on"] = " ".join(config.on)
    budget, hours = config.budget_usd, config.budget_wall_s
    values["budget_usd"] = "" if budget is None else f"{budget:g}"
    values["budget_hours"] = "" if hours is None else f"{hours / 3600:g}"
    return {name: safe_line(value) for name, value in values.items() if value}


def budget_values(settings: Settings) -> dict[str, str]:
    """The limits that a person wants a new campaign to start with."""
    values = {"budget_usd": settings.budget_usd, "budget_hours": settings.budget_hours}
    return {name: f"{value:g}" for name, value in values.items() if value is not None}


class NewCampaign(ModalScreen[None]):
    """Asks for a campaign's settings and queues it."""

    DEFAULT_CSS = """
    NewCampaign { align: center middle; background: $background 60%; }
    NewCampaign > #form {
        width: 78; max-width: 98%; height: auto; max-height: 96%;
        border: round $accent; background: $background; padding: 0 1;
    }
    NewCampaign .row { height: 1; }
    NewCampaign .row .label { width: 11; background: $background; }
    NewCampaign .row Input { height: 1; border: none; background: $surface; padding: 0 1; }
    NewCampaign .row Input:focus { border: none; background: $panel; }
    NewCampaign #notes { height: 6; margin: 1 0 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
        Binding("ctrl+s,f2", "queue_it", "Queue", show=False, priority=True),
    ]

    def __init__(self, cockpit: Cockpit, original: CampaignRecord | None = None) -> None:
        """Prepare the form.

        Args:
            cockpit: The application.
            original: The campaign that is cloned; None starts with the defaults.
        """
        super().__init__()
        self._cockpit = cockpit
        self._original = original
        self._values = (
            budget_values(cockpit.settings) if original is None else form_values(original)
        )
        self._words = {each.name: each.words() for each in FIELDS}
        self._models = _models()
        self._loaded: Task | None = None
        self._task_problem = ""
        self._forecast: PastRounds | None = None
        self._problem = ""
        self._is_queueing = False

    def compose(self) -> ComposeResult:
        with Vertical(id="form"):
            yield Paper(heading="New campaign", dom_id="title")
            for field in FIELDS:
                with Horizontal(classes="row"):
                    yield Bar(dom_id=f"label-{field.name}", classes="label")
                    text = self._values.get(field.name, field.text)
                    if self._words[field.name] or field.name in _FROM_THE_TASK:
                        # A clone keeps a value that the form does not offer, such as tree:pick=softmax.
                        choices = tuple(dict.fromkeys((*self._words[field.name], text)))
                        yield Choice(choices, text, dom_id=f"field-{field.name}")
                    else:
                        yield SafeInput(
                            text,
                            placeholder=field.empty,
                            id=f"field-{field.name}",
                            select_on_focus=False,
                        )
            yield Paper(dom_id="notes")

    def on_mount(self) -> None:
        for paper in self.query(Paper):
            paper.can_focus = False
        self.query_one("#title").styles.height = 1
        for field in FIELDS:
            self.query_one(f"#label-{field.name}", Bar).set_line([(field.label, Role.DIM)])
        self._fill_tasks()
        self.query_one("#field-task").focus()
        self._refresh_forecast()

    # --- what the task offers ---

    def _fill_tasks(self) -> None:
        names = tuple(each.name for each in list_tasks() if each.problem is None)
        given = self._values.get("task", "")
        if given and given not in names:
            names = (*names, given)
        self.query_one("#field-task", Choice).set_choices(names or ("",), given)
        self._fill_task()

    def _fill_task(self) -> None:
        name = self._value("task")
        self._loaded, self._task_problem = None, ""
        if not name:
            self._task_problem = "no task is known here; `rsi task list` says where it looks"
            return
        try:
            self._loaded = load_task(name)
        except TaskError as error:
            self._task_problem = str(error)
            return
        self.query_one("#field-track", Choice).set_choices(
            self._loaded.tracks, self._values.get("track", self._loaded.track)
        )
        self.query_one("#field-profile", Choice).set_choices(
            tuple(self._loaded.profiles), self._values.get("profile", self._loaded.default_profile)
        )

    def _value(self, name: str) -> str:
        widget = self.query_one(f"#field-{name}")
        return (widget.value if isinstance(widget, Choice | Input) else "").strip()

    # --- notes ---

    def _draw_notes(self) -> None:
        focused = self.focused
        name = (focused.id or "").removeprefix("field-") if focused is not None else ""
        lines: list[Line] = [line(self._hint(name), Role.DIM), self._forecast_line()]
        if name == "task" and self._loaded is not None:
            lines[:1] = [line(text, Role.DIM) for text in self._about(self._loaded)]
        problem = self._problem or self._task_problem
        if self._is_queueing:
            lines.append(line("… queueing, and starting a worker when none runs", Role.ACCENT))
        elif problem:
            lines.append(line(f"▲ {problem}", Role.WARN))
        else:
            lines.append(
                (("^s", Role.KEY), (" queue it    ", Role.TEXT), ("↑↓", Role.KEY),
                 (" fields    ", Role.TEXT), ("esc", Role.KEY), (" cancel", Role.TEXT))
            )  # fmt: skip
        self.query_one("#notes", Paper).set_lines(lines)

    def _about(self, task: Task) -> tuple[str, ...]:
        """What the catalogue says of the chosen task, as far as it helps to choose."""
        home = self._cockpit.home
        checks = () if home is None else checks_of(home, task.name, task.digest)
        here = f"{found_words(checks[0])} here" if checks else "not checked here"
        return (f"←→ {task.description}", f"Headroom {headroom(task, checks)}; {here}")

    def _hint(self, name: str) -> str:
        """What the field in focus is for, and what its chosen word means."""
        field = next((each for each in FIELDS if each.name == name), None)
        if field is None:
            return ""
        hint = field.hint.format(models=self._models)
        meaning = self._words[name].get(self._value(name), "").rstrip(".")
        arrows = "←→ " if self._words[name] or name in _FROM_THE_TASK else ""
        return f"{arrows}{hint}; {self._value(name)}: {meaning}" if meaning else f"{arrows}{hint}"

    def _forecast_line(self) -> Line:
        found, rounds = self._forecast, _whole(self._value("rounds"))
        if found is None or rounds is None:
            return line("", Role.DIM)
        if not found.campaigns:
            return line("Forecast: none yet, no campaign of this kind was run here.", Role.DIM)
        text = (
            f"Forecast: {plural(rounds, 'round')} take about {duration(found.wall_s * rounds)} "
            f"and {usd(found.usd * rounds)} (from {plural(found.rounds, 'round')} before)."
        )
        limit = _number(self._value("budget_usd"))
        is_over = limit is not None and found.usd * rounds > limit
        return ((text, Role.TEXT), (" Over the budget.", Role.WARN)) if is_over else line(text)

    def _refresh_forecast(self) -> None:
        task, profile, model = self._value("task"), self._value("profile"), self._value("proposer")
        future = self._cockpit.ask_ledger(
            lambda ledger: past_rounds(ledger, task=task, profile=profile, model=model)
        )
        when_done(self, future, self._forecast_made, self._refused)

    def _forecast_made(self, found: PastRounds) -> None:
        self._forecast = found
        self._draw_notes()

    def _refused(self, error: Exception) -> None:
        self._problem = str(error)
        self._draw_notes()

    def on_descendant_focus(self) -> None:
        self._draw_notes()

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        if event.choice.id == "field-task":
            self._values = {}
            self._fill_task()
        self._problem = ""
        self._draw_notes()
        self._refresh_forecast()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._problem = ""
        if event.input.id == "field-proposer":
            self._refresh_forecast()
        self._draw_notes()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.focus_next()

    # --- the end ---

    def action_cancel(self) -> None:
        # What is being queued cannot be taken back, and its name is still to be said.
        if not self._is_queueing:
            self.dismiss()

    def action_queue_it(self) -> None:
        if self._is_queueing:
            return
        settings = self._settings()
        if settings is None or self._loaded is None:
            self._draw_notes()
            return
        task, home = str(self._loaded.root), self._cockpit.home
        track, profile = self._value("track"), self._value("profile")
        if home is None:
            self._problem = "this cockpit has a ledger but no home; queue with `rsi run`"
            self._draw_notes()
            return

        kept, lineage = self._kept(track, profile)

        def work(ledger: Ledger) -> CampaignRecord:
            return queue(
                ledger, home, task=task, track=track, profile=profile,
                settings={**kept, **settings}, lineage=lineage,
            )  # fmt: skip

        self._is_queueing = True
        self._draw_notes()
        when_done(self, self._cockpit.work_aside(work), self._queued, self._not_queued)

    def _queued(self, record: CampaignRecord) -> None:
        self._cockpit.choose(record.id)
        self._cockpit.say(f"queued {record.id}")
        self.dismiss()

    def _not_queued(self, error: Exception) -> None:
        self._is_queueing = False
        self._refused(error)

    def _kept(self, track: str, profile: str) -> tuple[dict[str, object], str | None]:
        """What a clone takes along unseen, and its lineage; nothing of another task, no champion of another size."""
        original, loaded = self._original, self._loaded
        if original is None or loaded is None or loaded.name != original.task:
            return {}, None
        is_same = (track, profile) == (original.track, original.profile)
        return kept_settings(original), original.lineage if is_same else None

    def _settings(self) -> dict[str, object] | None:
        rounds, autonomy = _whole(self._value("rounds")), _whole(self._value("autonomy"))
        parallel = _whole(self._value("parallel"))
        budget, hours = self._value("budget_usd"), self._value("budget_hours")
        wrong: Sequence[tuple[bool, str]] = (
            (self._loaded is None, self._task_problem),
            (rounds is None or rounds < 1, "rounds must be a whole number from 1"),
            (not 1 <= (parallel or 0) <= MAX_PARALLEL, f"agents must be a whole number from 1 to {MAX_PARALLEL}"),
            (bool(budget) and not (_number(budget) or 0) > 0, "budget must be dollars above 0, or empty"),
            (bool(hours) and not (_number(hours) or 0) > 0, "hours must be a number above 0, or empty"),
            (not self._value("proposer"), "model is empty; scripted:demo needs no key"),
        )  # fmt: skip
        self._problem = next((text for is_wrong, text in wrong if is_wrong), "")
        if self._problem:
            return None
        hours_value = _number(hours)
        return {
            "rounds": rounds,
            "parallel": parallel,
            "autonomy": autonomy,
            "proposer": self._value("proposer"),
            "critic": self._value("critic") or "none",
            "reviewer": self._value("reviewer") or "rules",
            "strategy": self._value("strategy"),
            "backend": self._value("backend"),
            "on": self._value("on").replace(",", " ").split(),
            "budget_usd": _number(budget),
            "budget_wall_s": None if hours_value is None else hours_value * 3600,
        }


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 9 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None
