"""Errors of the agent room: ours, never a candidate's.

AgentError
├── LedgerError
│   ├── LedgerUnavailableError   no such place, folder not writable, server not reachable, busy too long
│   ├── LedgerCorruptError       the file is damaged or is no ledger
│   ├── LedgerSchemaError        written by a newer version of rsi, or needs migrating
│   ├── LedgerConflictError      a fact is there already and says something else
│   ├── LedgerFullError          the disk is full
│   ├── CampaignLostError        another worker took the campaign; this one writes nothing more about it
│   ├── LedgerValueError         the value cannot be stored (NaN, not JSON, too large); also a ValueError
│   └── UnknownRecordError       no such campaign, round, request, charge or blob; also a LookupError
├── LineageError
│   ├── LineageNameError         a name that cannot be a lineage or a round; also a ValueError
│   ├── LineageFullError         the disk of the lineages is full
│   ├── LineageServerError       the git server of the lineages is away, refuses or is named wrongly
│   ├── LineageTreeError         a path that cannot be kept in git; also a ValueError
│   ├── LineageConflictError     the baseline or candidate is there already and is different
│   ├── StaleChampionError       the champion moved since it was looked at
│   ├── LineageBehindError       the repository lacks a commit that the ledger has as champion
│   ├── UnaccountedChampionError no record accounts for the champion that git has
│   └── UnknownCommitError       no such commit in the lineage; also a LookupError
├── BackupError                  a backup cannot be written, read or put in place
└── HomeError                    the home folder cannot be used; also an OSError
"""


class AgentError(Exception):
    """Base of everything this room raises."""


class LedgerError(AgentError):
    """Base of what the ledger raises."""


class LedgerUnavailableError(LedgerError):
    """The ledger cannot be reached or opened; nothing was written."""


class LedgerCorruptError(LedgerError):
    """The ledger is damaged or is not a ledger; it was left as it is."""


class LedgerSchemaError(LedgerError):
    """The ledger's schema is not the one this version of rsi knows."""


class LedgerConflictError(LedgerError):
    """The same fact was written before with other content; the first one stands."""


class LedgerFullError(LedgerError):
    """The disk is full; the write was undone as a whole."""


class CampaignLostError(LedgerError):
    """Another worker runs the campaign by now; the write was undone as a whole."""


class LedgerValueError(LedgerError, ValueError):
    """The value cannot be stored and read back equal."""


class UnknownRecordError(LedgerError, LookupError):
    """There is no record with this id."""


class LineageError(AgentError):
    """Base of what a lineage raises."""


class LineageNameError(LineageError, ValueError):
    """A name that cannot be a lineage or a round."""


class LineageFullError(LineageError):
    """The disk is full; git wrote nothing that anybody sees."""


class LineageServerError(LineageError):
    """The git server of the lineages cannot be used now; the same may be asked of it again."""


class LineageTreeError(LineageError, ValueError):
    """A file tree holds a path that a git tree must not have."""


class LineageConflictError(LineageError):
    """Something is there already and is different; it was left as it is."""


class StaleChampionError(LineageError):
    """The champion is not the commit that was expected."""


class LineageBehindError(LineageError):
    """This machine's repository lacks a commit that the ledger has as champion."""


class UnaccountedChampionError(LineageError):
    """Git's champion is a commit that no record in the ledger accounts for."""


class UnknownCommitError(LineageError, LookupError):
    """No such commit in this lineage."""


class BackupError(AgentError):
    """A home cannot be backed up, or made of a backup; nothing was overwritten."""


class HomeError(AgentError, OSError):
    """The home folder cannot be used."""
