"""Verbs about what drives campaigns: list, tree, show, use, rollback and compare scaffolds and reviewers."""

import argparse
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from rsi.agent.cli.context import emit, home, note, open_to_write, table
from rsi.agent.cli.verbs.reading import show_interval
from rsi.agent.drivers.comparing import compare_versions
from rsi.agent.drivers.versions import (
    DriverError,
    Version,
    files_of,
    go_back,
    named,
    versions,
)
from rsi.agent.drivers.versions import use as use_version
from rsi.agent.memory.tree import tree_rows
from rsi.agent.policy.gate import person
from rsi.agent.store.ledger import Ledger
from rsi.agent.store.round_book import RoundBook
from rsi.agent.store.tree_blobs import tree_sha256
from rsi.sandboxes.types import FileTree
from rsi.tasks.drivers import DriverKind
from rsi.tasks.files.trees import read_tree


def list_(args: argparse.Namespace) -> int:
    """Every version that was ever promoted, oldest first."""
    with open_to_write() as ledger:
        found = versions(ledger, DriverKind(args.kind))
    rows = [
        (
            each.digest[:12],
            "in use" if each.is_in_use else "",
            each.round_id or "-",
            "-" if each.parent is None else each.parent[:12],
            str(each.campaigns),
            each.title,
        )
        for each in found
    ]
    headers = (args.kind, "", "made by", "made from", "campaigns driven", "what it is")
    emit(args, {"kind": args.kind, "versions": found}, table(headers, rows))
    return 0


def tree(args: argparse.Namespace) -> int:
    """Every candidate that was kept, below what it was built on; exit status 1 when none was."""
    kind = DriverKind(args.kind)
    with open_to_write() as ledger:
        rounds = RoundBook(ledger).of_lineage(kind.lineage)
        promotions = ledger.promotions(kind.lineage)
    found = tree_rows(rounds, promotions)
    children = Counter(each.parent for each in rounds if each.commit and not each.planted)
    rows = [
        (
            f"{each.prefix}{'start' if each.view is None else each.view.id}",
            "in use" if each.is_champion else "",
            "" if each.view is None else show_interval(each.view.effect),
            str(children[each.commit]),
            "" if each.view is None else each.view.ended_as,
            "what ships with rsi" if each.view is None else each.view.hypothesis,
        )
        for each in found
    ]
    facts = [
        {
            "round": None if each.view is None else each.view.id,
            "commit": each.commit,
            "parent": None if each.view is None else each.view.parent,
            "is_in_use": each.is_champion,
            "effect": None if each.view is None else each.view.effect,
            "children": children[each.commit],
            "ended_as": None if each.view is None else each.view.ended_as,
        }
        for each in found
    ]
    headers = (args.kind, "", "effect over its champion", "children", "ended as", "what it is")
    lines = table(headers, rows) if rows else [f"no {kind} was tried yet: `rsi run {kind}`"]
    emit(args, {"kind": args.kind, "tree": facts}, lines)
    return 0 if rows else 1


def show(args: argparse.Namespace) -> int:
    """The files of a version."""
    kind = DriverKind(args.kind)
    with open_to_write() as ledger:
        version = _version(versions(ledger, kind), args.digest)
        tree = files_of(ledger, kind, version.commit)
    texts = {each.path: each.content.decode("utf-8", "backslashreplace") for each in tree}
    lines = [f"{kind} {version.digest}, {version.title}"]
    for path, text in sorted(texts.items()):
        lines += ["", f"== {path}", text.rstrip()]
    emit(args, {**asdict(version), "files": texts}, lines)
    return 0


def use(args: argparse.Namespace) -> int:
    """Let another version drive the next campaign."""
    kind = DriverKind(args.kind)
    with open_to_write() as ledger:
        found = use_version(home(), ledger, kind, args.digest, actor=person(), reason=args.reason)
    emit(args, found, [f"{kind} {found.digest[:12]} drives the next campaign"])
    return 0


def rollback(args: argparse.Namespace) -> int:
    """Go back to the version before."""
    kind = DriverKind(args.kind)
    with open_to_write() as ledger:
        found = go_back(home(), ledger, kind, actor=person(), reason=args.reason)
    emit(args, found, [f"{kind} {found.digest[:12]} drives the next campaign again"])
    return 0


def compare(args: argparse.Namespace) -> int:
    """Measure a version against another; exit status 1 unless the interval lies above 1."""
    kind = DriverKind(args.kind)
    with open_to_write() as ledger:
        subject = _files(ledger, kind, args.digest)
        shipped = read_tree(kind.shipped)
        reference = (
            (tree_sha256(shipped), shipped)
            if args.against is None
            else _files(ledger, kind, args.against)
        )
    if subject[0] == reference[0]:
        raise DriverError(
            f"both are {kind} {subject[0][:12]}; name two versions, `rsi {kind} list` shows them"
        )
    found = compare_versions(
        kind, reference, subject, backend=args.sandbox, pairs=args.pairs, progress=note
    )
    effect = found.effect
    lines = [
        f"{found.assurance}: {kind} {subject[0][:12]} is {show_interval(effect) or 'not comparable'} against "
        f"{reference[0][:12]} by {found.metric}, on fresh instances of profile {found.profile} "
        f"({found.score.verdict.value}: {found.score.reason})"
    ]
    emit(args, found, lines)
    return 0 if effect is not None and effect.low > 1 else 1


def _version(found: tuple[Version, ...], word: str | None) -> Version:
    if word is None:
        return next(each for each in found if each.is_in_use)
    return named(found, word)


def _files(ledger: Ledger, kind: DriverKind, word: str | None) -> tuple[str, FileTree]:
    """Digest and files of a version, or of a folder that a person names."""
    if word is not None and Path(word).is_dir():
        tree = read_tree(Path(word))
        return tree_sha256(tree), tree
    version = _version(versions(ledger, kind), word)
    return version.digest, files_of(ledger, kind, version.commit)
