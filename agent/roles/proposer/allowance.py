"""What one proposal may use, apart from money: turns, time, output sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from rsi.agent.roles.scaffold.loading import ScaffoldError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposerLimits:
    """Limits of one proposer loop; each ends the loop with a named outcome or cuts a text."""

    max_turns: int = 80
    wall_s: float = 3600.0
    """Seconds from the first turn, pauses excluded."""
    measure_s: float = 1200.0
    """Seconds of device time that measuring may take; the look that passes them is the last."""
    max_measures: int = 200
    max_repeats_of_measure: int = 5
    max_output_tokens: int = 16_000
    """Of one reply, thinking included."""
    shown_chars: int = 12_000
    """Longest tool output shown at once; the rest is read by `read_output`."""
    kept_output_bytes: int = 400_000
    """Longest tool output kept for `read_output`."""
    shell_wall_s: float = 300.0
    """Longest that one shell command may run."""
    view_lines: int = 400
    max_tree_bytes: int = 20 << 20
    max_tree_files: int = 2_000
    max_malformed: int = 3
    """Malformed calls in a row before the loop ends."""
    max_idle: int = 3
    """Turns without a tool call in a row before the loop ends."""
    max_repeats: int = 4
    """Identical calls with identical answers before the loop ends; one warning comes before."""
    context_share: float = 0.6
    """Share of the model's context that the conversation may fill before older steps are compacted."""
    keep_recent_turns: int = 8
    """Turns that compaction never touches."""

    def with_settings(self, settings: Mapping[str, float]) -> "ProposerLimits":
        """These limits with a scaffold's settings put over them.

        Raises:
            ScaffoldError: A setting has no such limit, or is no positive number.
        """
        known = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        if unknown := set(settings) - set(known):
            raise ScaffoldError(
                f"scaffold sets unknown proposer limits {sorted(unknown)}; known: {sorted(known)}"
            )
        for name, value in settings.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 < value < float("inf"):
                raise ScaffoldError(
                    f"scaffold sets proposer limit {name} to {value!r}; give a positive number"
                )
        return replace(self, **{name: known[name](value) for name, value in settings.items()})
