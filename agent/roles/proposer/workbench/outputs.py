"""Long tool outputs: the head and tail are shown, the whole is kept for `read_output`."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class OutputStore:
    """Outputs of one round by a short name such as "o3"."""

    shown_chars: int
    _texts: dict[str, str] = field(default_factory=dict)

    def cut(self, text: str) -> str:
        """The text as shown: whole when short, else its head and tail with the name of the rest."""
        if len(text) <= self.shown_chars:
            return text
        name = f"o{len(self._texts) + 1}"
        self._texts[name] = text
        half = self.shown_chars // 2
        hidden = len(text) - 2 * half
        return (
            f"{text[:half]}\n[... {hidden} of {len(text)} characters left out; "
            f'read_output(output="{name}", offset={half}) shows them ...]\n{text[-half:]}'
        )

    def read(self, name: str, offset: int) -> str | None:
        """A part of a kept output from a character on; None when there is no such output."""
        text = self._texts.get(name)
        if text is None:
            return None
        part = text[offset : offset + self.shown_chars]
        end = offset + len(part)
        rest = len(text) - end
        note = f"\n[{rest} characters follow; offset={end}]" if rest > 0 else "\n[end of output]"
        return part + note

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs kept."""
        return tuple(self._texts)
