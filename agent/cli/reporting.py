"""`rsi report`: one campaign as a file that can be sent to someone."""

import argparse
from pathlib import Path

from rsi.agent.cli.context import chosen_campaign, emit, home, open_to_read
from rsi.agent.report.files import write_report


def report(args: argparse.Namespace) -> int:
    """Write a campaign's report as HTML and Markdown."""
    here = home()
    with open_to_read() as ledger:
        campaign_id = chosen_campaign(ledger, args.campaign).record.id
        out = Path(args.out).resolve() if args.out else None
        path = write_report(here, ledger, campaign_id, out)
    emit(args, {"campaign": campaign_id, "path": str(path)}, [str(path)])
    return 0
