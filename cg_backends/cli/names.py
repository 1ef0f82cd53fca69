"""Groups and jobs, as the command line names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import IO

import click

from cg_backends.cli.printable import printable
from cg_backends.cli.secret_input import take_stdin
from cg_core import GroupName, InvalidArgument, InvalidValue, JobId, OpaqueId
from cg_core.identifiers import checked_integer

_LONGEST_LINE = 1_000  # characters; of a file that is none of jobs no more is read


def group_name(join_key: str | None, id: int | None, opaque_id: str | None) -> GroupName:
    """The group that a command line names, in one of the three ways.

    Raises:
        click.UsageError: it names none, or more than one.
        InvalidValue: it is no row id or opaque id.
    """
    given = [name for name in (join_key, id, opaque_id) if name is not None]
    if len(given) != 1:
        raise click.UsageError(
            f"{'no group is named' if not given else 'the group is named twice'}: give its join "
            "key, or --id N, or --opaque-id ID"
        )
    if opaque_id is not None:
        return OpaqueId(opaque_id, "--opaque-id")
    return given[0] if id is None else checked_integer("--id", id, least=1)


def group_and_jobs(
    words: Sequence[str], id: int | None, opaque_id: str | None, file: str | None
) -> tuple[GroupName, tuple[JobId, ...]]:
    """The group that a command line names, and the jobs.

    Args:
        words: a join key, unless the group is named by another name, and job ids.
        id: a row id.
        opaque_id: an opaque id.
        file: as in `job_ids`.

    Raises:
        click.UsageError, InvalidValue: as `group_name` and `job_ids`.
    """
    if id is not None or opaque_id is not None:
        group = group_name(None, id, opaque_id)
        return group, job_ids(words, file, "; with --id or --opaque-id every word is a job")
    group = group_name(words[0] if words else None, None, None)
    if len(words) == 1 and file is None:
        command = click.get_current_context().command_path
        raise click.UsageError(
            f"the first word names the group, and no job follows: {command} GROUP JOB... "
            "(or --jobs-file FILE, or - for stdin)"
        )
    return group, job_ids(words[1:], file)


def told(group: GroupName) -> str:
    """A group in a sentence."""
    if isinstance(group, OpaqueId):
        return f"the group with opaque id {group}"
    return f"group {group}" if isinstance(group, int) else f'the group "{printable(group)}"'


def group_to_json(group: GroupName) -> dict[str, object]:
    """A group's name as programs get it."""
    if isinstance(group, OpaqueId):
        return {"opaqueId": str(group)}
    return {"id": group} if isinstance(group, int) else {"joinKey": group}


def job_ids(arguments: Sequence[str], file: str | None, hint: str = "") -> tuple[JobId, ...]:
    """The jobs that a command line names.

    Args:
        arguments: job ids; `-` stands for those on stdin.
        file: a file of them, `-` for stdin: one in each line; what begins with # is a comment.
        hint: what is said besides, where an argument is no job id.

    Raises:
        click.UsageError: there are none, or the file cannot be read.
        InvalidValue: one of them is no job id; the message says where.
    """
    jobs: list[JobId] = []
    for number, argument in enumerate(arguments, 1):
        if argument == "-":
            jobs += _from_stdin("-")
        else:
            jobs.append(_job_id(argument, f"job {number}", hint))
    if file == "-":
        jobs += _from_stdin("--jobs-file -")
    elif file is not None:
        jobs += _from_file(file)
    if not jobs:
        raise click.UsageError("no job is named; give job ids, --jobs-file FILE, or - for stdin")
    return tuple(jobs)


def _from_file(path: str) -> list[JobId]:
    try:
        with Path(path).open("rb") as file:
            return _lines(file, printable(path))
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidArgument):
            raise
        why = error.strerror if isinstance(error, OSError) else error
    raise click.UsageError(f"{printable(path)} cannot be read: {why}")


def _from_stdin(reader: str) -> list[JobId]:
    return _lines(take_stdin(reader), "stdin")


def _lines(file: IO[bytes], where: str) -> list[JobId]:
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="replace")
    try:
        return list(_in_lines(iter(lambda: text.readline(_LONGEST_LINE), ""), where))
    finally:
        text.detach()


def _in_lines(lines: Iterable[str], where: str) -> Iterable[JobId]:
    for number, line in enumerate(lines, 1):
        if len(line) == _LONGEST_LINE:
            raise InvalidValue(f"line {number} of {where} is too long; nothing was sent")
        job = line.strip()
        if job and not job.startswith("#"):
            yield _job_id(job, f"line {number} of {where}")


def _job_id(text: str, where: str, hint: str = "") -> JobId:
    try:
        return JobId(text)
    except InvalidValue as error:
        fault = f"{where}: {error.message}; nothing was sent{hint}"
    raise InvalidValue(fault)
