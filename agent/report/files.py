"""Writes a campaign's report to files: `report.html` and `report.md` in one folder."""

from pathlib import Path

from rsi.agent.errors import HomeError, LineageError
from rsi.agent.report.campaign_report import build_report
from rsi.agent.report.html_page import html_page
from rsi.agent.report.markdown_page import markdown_page
from rsi.agent.store.git.lineage import Lineage
from rsi.agent.store.home import Home
from rsi.agent.store.ledger import Ledger


def write_report(home: Home, ledger: Ledger, campaign_id: str, out: Path | None = None) -> Path:
    """Write both files, replacing older ones; returns the path of the HTML file.

    Args:
        home: Where the lineage is, and where reports go.
        ledger: Where the facts are.
        campaign_id: Which campaign, finished or not.
        out: Folder for the files; None means the home's reports folder.

    Raises:
        HomeError: The folder cannot be written.
        UnknownRecordError: No such campaign.
    """
    name = ledger.campaign(campaign_id).lineage
    report = build_report(ledger, _lineage(home, name), campaign_id)
    folder = out if out is not None else home.reports / campaign_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / "report.html"
        # What cannot be encoded was made visible by safe_text; "backslashreplace" is for what it lets through.
        page.write_text(html_page(report), encoding="utf-8", errors="backslashreplace")
        (folder / "report.md").write_text(
            markdown_page(report), encoding="utf-8", errors="backslashreplace"
        )
    except OSError as error:
        raise HomeError(
            f"the report cannot be written to {str(folder)!r} ({error.strerror}); name another folder"
        ) from error
    return page


def _lineage(home: Home, name: str) -> Lineage | None:
    """The lineage if this machine has it; the ledger alone is enough for a report."""
    try:
        return Lineage.open(home, name, create=False)
    except LineageError:
        return None
