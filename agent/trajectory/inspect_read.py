"""Inspect's evaluation logs, JSON and `.eval`, read as recordings: one for each sample.

Source: Inspect's documentation of log files, and logs of version 2 as inspect_ai 0.3 writes them.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rsi.agent.llm.types import Block, Reasoning, ToolCall, Usage
from rsi.agent.trajectory.chat_log import (
    IMPORTED,
    Said,
    amount,
    call_of,
    plain,
    recording_of,
    words,
)
from rsi.agent.trajectory.recorded import Recording, RecordingError
from rsi.tasks.harness_kit.canonical import parse_json

ATTACHMENT = "attachment://"
MOST_UNPACKED_BYTES = 1 << 30
"""Of one file of an archive: a log that unpacks to more is no log."""
_ROLES = ("system", "user", "assistant", "tool")

Json = Mapping[str, Any]


def is_inspect(document: object) -> bool:
    """Whether a document has the parts of a log."""
    return isinstance(document, Mapping) and {"eval", "status", "version"} <= set(document)


def unpacked(content: bytes) -> Json:
    """An `.eval` archive as the JSON log that it stands for.

    Raises:
        RecordingError: It is no log, or packed in a way that cannot be read here.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if "header.json" not in names:
                raise RecordingError("it is a ZIP archive without header.json, so no Inspect log")
            head = _member(archive, "header.json")
            # The archive has them in the order in which they ended.
            inside = sorted(name for name in names if name.startswith("samples/"))
            samples = [_member(archive, name) for name in sorted(inside, key=len)]
    except NotImplementedError as error:
        raise RecordingError(
            f"this Inspect log is packed in a way that cannot be read here ({error}); write it as JSON first: "
            "inspect log convert --to json"
        ) from error
    except (zipfile.BadZipFile, EOFError) as error:
        raise RecordingError(f"it is a damaged ZIP archive: {error}") from error
    return {**head, "samples": samples}


def _member(archive: zipfile.ZipFile, name: str) -> Json:
    if archive.getinfo(name).file_size > MOST_UNPACKED_BYTES:
        raise RecordingError(f"{name} of this archive unpacks to more than a log has")
    value = parse_json(archive.read(name))
    if not isinstance(value, Mapping):
        raise RecordingError(f"{name} of this archive holds no JSON object")
    return value


def from_inspect(log: Json, *, sample: str | None) -> Recording:
    """The recording of one sample.

    Args:
        log: The whole log.
        sample: Its id, with "/2" for the second epoch and so on; None where there is one sample only.

    Raises:
        RecordingError: No such sample, or several and none is named.
        KeyError, TypeError, ValueError, AttributeError: It breaks its format.
    """
    samples: Sequence[Json] = log.get("samples") or ()
    named = {_name(each): each for each in samples}
    if sample is None and len(named) == 1:
        sample = next(iter(named))
    if sample not in named:
        asked = "it holds" if sample is None else f"it has no sample {sample!r}, but"
        raise RecordingError(
            f"this is an Inspect log; {asked} {len(named)} samples ({', '.join(list(named)[:10]) or 'none'})"
            + ("; choose one with --sample" if named else "")
        )
    return _recording(log, named[sample], sample)


def _name(sample: Json) -> str:
    epoch = sample.get("epoch") or 1
    return str(sample["id"]) if epoch == 1 else f"{sample['id']}/{epoch}"


def _recording(log: Json, sample: Json, name: str) -> Recording:
    about: Json = log["eval"]
    attachments: Json = sample.get("attachments") or {}
    usages = _usages(sample)
    error, limit = sample.get("error"), sample.get("limit")
    own = (sample.get("metadata") or {}).get("outcome")
    outcome = own or ("error" if error else f"limit: {limit['type']}" if limit else "completed")
    extra: dict[str, object] = {
        "agent": {"name": str(about.get("solver") or "inspect"), "version": "unknown"},
        "source_format": f"inspect-{log['version']}",
        "task": str(about.get("task", "")),
    }
    if scores := sample.get("scores"):
        extra["scores"] = scores
    return recording_of(
        [_said(message, attachments, usages) for message in sample["messages"]],
        round_id=name,
        model=str(about.get("model") or ""),
        outcome=str(outcome),
        reason=str(error.get("message", "")) if isinstance(error, Mapping) else "",
        extra=extra,
    )


def _usages(sample: Json) -> dict[str, tuple[Usage | None, float | None, datetime | None]]:
    """Tokens, dollars and time of each reply, by its message's id, as the events of the sample tell."""
    found: dict[str, tuple[Usage | None, float | None, datetime | None]] = {}
    for event in sample.get("events") or ():
        output: Json = (event.get("output") or {}) if event.get("event") == "model" else {}
        for choice in output.get("choices") or ():
            key = choice["message"].get("id")
            if key is not None:
                usage: Json | None = output.get("usage")
                usd = amount((usage or {}).get("total_cost"), "total_cost")
                found[str(key)] = (_usage(usage), usd, _time(event.get("timestamp")))
    return found


def _usage(told: Json | None) -> Usage | None:
    if told is None:
        return None
    return Usage(
        input_uncached_tokens=_count(told, "input_tokens"),
        cache_read_tokens=_count(told, "input_tokens_cache_read"),
        cache_write_tokens=_count(told, "input_tokens_cache_write"),
        output_tokens=_count(told, "output_tokens"),
        reasoning_tokens=_count(told, "reasoning_tokens"),
    )


def _count(told: Json, name: str) -> int:
    value = told.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a count of tokens, found {value!r}")
    return value


def _said(
    message: Json,
    attachments: Json,
    usages: Mapping[str, tuple[Usage | None, float | None, datetime | None]],
) -> Said:
    role = message["role"]
    if role not in _ROLES:
        raise ValueError(f"a message has the role {role!r}; expected one of {', '.join(_ROLES)}")
    content = _attached(message.get("content"), attachments)
    if role != "assistant":
        error = message.get("error") or {}
        return Said(
            role=role,
            text=plain(content) or str(error.get("message", "")),
            call_id=str(message.get("tool_call_id") or ""),
            is_error=bool(error),
        )
    calls = tuple(_call(each, attachments) for each in message.get("tool_calls") or ())
    usage, usd, at = usages.get(str(message.get("id")), (None, None, None))
    return Said(
        role="assistant",
        blocks=(*_blocks(content), *calls),
        usage=usage,
        usd=usd,
        model=str(message.get("model") or ""),
        at=at,
    )


def _blocks(content: str | Sequence[Json] | None) -> tuple[Block, ...]:
    if content is None or isinstance(content, str):
        return words(content or "")
    blocks: list[Block] = []
    for part in content:
        if part.get("type") == "reasoning":
            text = str(part.get("reasoning") or "")
            shown = str(part.get("summary") or "") if part.get("redacted") else text
            blocks.append(Reasoning(provider=IMPORTED, text=shown, payload={}))
        else:
            blocks += words(plain([part]))
    return tuple(blocks)


def _call(call: Json, attachments: Json) -> ToolCall:
    return call_of(call["id"], call["function"], _attached(call["arguments"], attachments))


def _attached(value: Any, attachments: Json) -> Any:  # noqa: ANN401 (a JSON value)
    """A value with what was stored apart put back in its place."""
    if isinstance(value, str):
        is_reference = value.startswith(ATTACHMENT)
        return attachments.get(value.removeprefix(ATTACHMENT), value) if is_reference else value
    if isinstance(value, Mapping):
        return {name: _attached(item, attachments) for name, item in value.items()}
    if isinstance(value, list):
        return [_attached(item, attachments) for item in value]
    return value


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
