"""Errors of the cockpit.

CockpitError
├── SettingsError      the settings file cannot be used
├── ActionRefusedError a decision or request was refused, nothing was written
├── ProgramError       a pager or an editor cannot be started
├── TerminalError      there is no terminal to draw on
├── CampaignFileError     a recording cannot be made or read
└── WebError           the web server cannot start
"""


class CockpitError(Exception):
    """Base of everything the cockpit raises on purpose."""


class SettingsError(CockpitError, ValueError):
    """The settings file has a mistake; the message names file, key and what was expected."""


class ProgramError(CockpitError):
    """A pager or an editor of the person's own cannot be started; the message says which and why."""


class TerminalError(CockpitError):
    """The cockpit was asked for where nobody could see it."""


class ActionRefusedError(CockpitError):
    """A decision or a request was refused; the ledger is unchanged."""


class CampaignFileError(CockpitError):
    """A recording cannot be made or read."""


class WebError(CockpitError):
    """The web server cannot start as asked."""
