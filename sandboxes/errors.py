"""Errors of the sandbox room: ours, never a candidate's.

SandboxError
├── BackendUnavailableError   the backend cannot run here; the message says how to get it
├── SandboxBrokenError        an open sandbox stopped obeying (engine gone, start failed)
├── TimeSlicesAbandonedError  the command was ended because nobody needs its result any more
├── FileTreeError             a file tree broke a rule (escape, size, kind); also a ValueError
├── EnvironmentBuildError     an image or environment could not be prepared
├── LimitTooHighError         a task asks for more than the operator of this machine allows
├── UnknownBackendError       no backend has that name; also a ValueError
├── PluginError               another distribution's plug-in cannot be used; the message names it
├── OperatorSettingError      a setting of the operator cannot be read; also a ValueError
└── LeaseTimeoutError         a device stayed in use elsewhere; also a TimeoutError
"""


class SandboxError(Exception):
    """Base of everything this room raises."""


class BackendUnavailableError(SandboxError):
    """The backend cannot run on this machine."""


class SandboxBrokenError(SandboxError):
    """The sandbox itself failed; nothing about the command inside may be concluded."""


class TimeSlicesAbandonedError(SandboxError):
    """The command was ended in the middle, because of what happened beside it; see `turns.TimeSlices.abandon`."""


class FileTreeError(SandboxError, ValueError):
    """A file tree going in or out breaks a rule: path escape, size, count or kind of file."""


class EnvironmentBuildError(SandboxError):
    """The image or environment of a task could not be prepared."""


class LeaseTimeoutError(SandboxError, TimeoutError):
    """A device or core set was in use elsewhere for longer than we were told to wait."""


class LimitTooHighError(SandboxError):
    """A limit is above what the operator of this machine allows."""


class OperatorSettingError(SandboxError, ValueError):
    """A setting of this machine's operator cannot be read."""


class UnknownBackendError(SandboxError, ValueError):
    """No backend has that name."""


class PluginError(SandboxError):
    """A plug-in of another distribution cannot be used."""
