"""What a service writes down: one line for each event, as text or as JSON. Never what was sent."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

import attrs

from cg_core import ComputeGroupsError
from cg_core.service import Answered, SessionBegan, SessionEnded, StoreFailed

LogFormat: TypeAlias = Literal["text", "json"]

_log = logging.getLogger("cg.service")
_NAMES: Final = {
    SessionBegan: "session began",
    SessionEnded: "session ended",
    Answered: "answered",
    StoreFailed: "the store failed",
}
_LEVELS: Final = {Answered: logging.DEBUG, StoreFailed: logging.ERROR}


def log_event(event: SessionBegan | SessionEnded | Answered | StoreFailed) -> None:
    """Write down an event: answers at the level DEBUG, faults at ERROR, the rest at INFO."""
    level = _LEVELS.get(type(event), logging.INFO)
    if _log.isEnabledFor(level):
        fields = attrs.asdict(event, recurse=False, filter=lambda _, value: value is not None)
        told = {name: _shown(value) for name, value in fields.items()}
        _log.log(level, _NAMES[type(event)], extra={"fields": told})


def log_to_stderr(level: str, form: LogFormat) -> None:
    """Have what is written down go to stderr, a line each.

    Args:
        level: DEBUG, INFO, WARNING or ERROR.
        form: text for people, or a JSON object for programs.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JSONLines() if form == "json" else _TextLines())
    logger = logging.getLogger("cg")
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


def _shown(value: object) -> Any:
    if isinstance(value, ComputeGroupsError):
        return f"{value.name} {value.code}: {value.message}"
    return round(value, 6) if isinstance(value, float) else value


class _JSONLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {"time": _time(record), "level": record.levelname, "event": record.getMessage()}
        return json.dumps(told | getattr(record, "fields", {}))


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        told = "".join(f" {name}={_printable(str(value))}" for name, value in fields.items())
        return f"{_time(record)} {record.levelname} {record.getMessage()}{told}"


def _printable(text: str) -> str:
    # A peer may have chosen it: no line of its own, and nothing that a terminal obeys.
    return text if text.isprintable() else f"{text!a}"


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
