"""The error tree, split by whose fault it is (contract, Errors).

    ComputeGroupsError
    ├── InvalidArgument         EINVAL        yours: the call is wrong, nothing was sent
    │   ├── InvalidType         EINVAL        ... also a TypeError
    │   ├── InvalidValue        EINVAL        ... also a ValueError
    │   └── ClientClosed        EINVAL        ... also a RuntimeError
    ├── Refused                 any code      the owner of the rules said no, nothing changed
    │   ├── NotOwner            EPERM
    │   ├── BadCredentials      EACCES
    │   ├── NotFound            ENOENT
    │   │   ├── GroupNotFound   ENOENT
    │   │   └── JobNotFound     ENOENT
    │   ├── DuplicateJoinKey    ER_DUP_ENTRY
    │   ├── JobCancelled        ECANCELED
    │   ├── LimitReached        EDQUOT
    │   ├── Busy                EBUSY
    │   └── Unsupported         ENOSYS
    ├── ProtocolError           EPROTO        the peer broke the protocol
    ├── NetworkError            EIO           the network failed, nothing was done
    └── OutcomeUnknown          EOUTCOME      sent, and no answer: done once or not at all

A refusal is raised, never returned. Every error can be pickled.
"""

from __future__ import annotations

from typing import ClassVar, Self


class ComputeGroupsError(Exception):
    """Whatever this library raises on purpose.

    Args:
        message: what was wrong and how to mend it, for a person.
        code: the code on the wire, where it is not the one of the class.
        name: the name on the wire, where it is not the one of the class.
    """

    default_code: ClassVar[str] = "EUNKNOWN"

    def __init__(self, message: str, *, code: str | None = None, name: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = self.default_code if code is None else code
        self.name = type(self).__name__ if name is None else name

    def bare(self) -> Self:
        """The same error without its traceback and context, whose frames saw what was received."""
        return type(self)(self.message, code=self.code, name=self.name)

    def __str__(self) -> str:
        """The message; a code or name that is not the class's own is shown with it."""
        own = self.code == self.default_code and self.name == type(self).__name__
        return self.message if own else f"{self.message} [{self.name} {self.code}]"


class InvalidArgument(ComputeGroupsError):
    """An argument is wrong. Nothing was sent and nothing changed."""

    default_code = "EINVAL"


class InvalidType(InvalidArgument, TypeError):
    """An argument has the wrong type."""


class InvalidValue(InvalidArgument, ValueError):
    """An argument has the right type and a value that cannot be."""


class ClientClosed(InvalidArgument, RuntimeError):
    """The client was closed before the call."""


class Refused(ComputeGroupsError):
    """The rules, or a peer with rules of its own, refused the request. Nothing changed."""

    default_code = "EREFUSED"


class NotOwner(Refused):
    """Only the owner (of the group, or of the job) may do this."""

    default_code = "EPERM"


class BadCredentials(Refused):
    """The credentials are missing or wrong; which of the two is not said (C-16)."""

    default_code = "EACCES"


class NotFound(Refused):
    """What the request names does not exist."""

    default_code = "ENOENT"


class GroupNotFound(NotFound):
    """There is no such group, or no longer."""


class JobNotFound(NotFound):
    """The job is not in the group."""


class DuplicateJoinKey(Refused):
    """The join key (or the opaque id) is in use by another group."""

    default_code = "ER_DUP_ENTRY"


class JobCancelled(Refused):
    """The job was cancelled, which is for good."""

    default_code = "ECANCELED"


class LimitReached(Refused):
    """The group, or the caller, has as many jobs as allowed."""

    default_code = "EDQUOT"


class Busy(Refused):
    """The service has too much to do; the same call may succeed later."""

    default_code = "EBUSY"


class Unsupported(Refused):
    """The service does not know this operation."""

    default_code = "ENOSYS"


class ProtocolError(ComputeGroupsError):
    """The peer broke the protocol."""

    default_code = "EPROTO"


def invalid_message(message: str) -> ProtocolError:
    """The error for what a peer said and no peer may say: EINVAL on the wire."""
    return ProtocolError(message, code="EINVAL")


class NetworkError(ComputeGroupsError):
    """The network failed before the request could be acted on."""

    default_code = "EIO"


class OutcomeUnknown(ComputeGroupsError):
    """The request was sent and no answer came: it was acted on once, or not at all (C-21)."""

    default_code = "EOUTCOME"


# The classes that a peer's answer may turn into. Where several share a code, the first of them
# stands for the code alone.
_ANSWERS: tuple[type[ComputeGroupsError], ...] = (
    InvalidValue,
    InvalidType,
    InvalidArgument,
    Refused,
    NotOwner,
    BadCredentials,
    NotFound,
    GroupNotFound,
    JobNotFound,
    DuplicateJoinKey,
    JobCancelled,
    LimitReached,
    Busy,
    Unsupported,
)
# What befell the store behind a service. By its code alone it might be anything.
_OF_THE_STORE: tuple[type[ComputeGroupsError], ...] = (NetworkError, OutcomeUnknown)
_BY_NAME = {answer.__name__: answer for answer in (*_ANSWERS, *_OF_THE_STORE)}
_BY_CODE = {answer.default_code: answer for answer in reversed(_ANSWERS)}


def error_from_answer(
    message: str, *, name: str | None = None, code: str | None = None
) -> ComputeGroupsError:
    """The error that a peer's answer names: by name, without a known one by code.

    Args:
        message: the peer's message.
        name: the peer's name for the error, if it gave one.
        code: the peer's code, if it gave one.

    Returns:
        An error of the class that a local backend would raise; a `Refused` that keeps the
        peer's name and code where neither is known here.
    """
    found = _BY_NAME.get(name or "") or _BY_CODE.get(code or "") or Refused
    return found(message, name=name or None, code=code or None)
