"""The commands that add, list, remove and cancel the jobs of a group."""

# ruff: noqa: PLC0415 - `cg add-job --help` must not wait for what only `cg add-job` needs
# ruff: noqa: D301 - \b is the character that tells click to leave a paragraph as it is

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cg_backends.cli.commands import Command
from cg_backends.cli.credentials import credential_options
from cg_backends.cli.options import (
    ask,
    group_options,
    job_options,
    join_identity_option,
    no_question,
    place_options,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cg_backends.cli.credentials import Credentials
    from cg_backends.cli.place import Place
    from cg_core import GroupName, JobId


@click.command("add-job", cls=Command)
@job_options
@click.option("--join-key", metavar="KEY", help="The group's join key, beside its id.")
@credential_options
@place_options
@join_identity_option
def add_job(
    *,
    group: GroupName,
    jobs: Sequence[JobId],
    join_key: str | None,
    credentials: Credentials,
    place: Place,
) -> None:
    """Add jobs to a group, in the order given.

    The group's credentials are shown: its join key, and the secret, which is asked for, or comes
    from stdin, a file or the environment; --no-join-secret where it has none. A job that is in the
    group already stays where it is. What is refused of one job alone does not stop the others.

    \b
    Examples:
      cg add-job farm P+Y4IApeFQLrYS2W7MkVg7
      cg add-job farm --jobs-file jobs.txt --join-secret-env FARM_SECRET
      list-my-jobs | cg add-job farm - --join-secret-file farm.secret
      cg add-job --id 2 P+Y4IApeFQLrYS2W7MkVg7          a group without credentials
      cg add-job public P+Y4IApeFQLrYS2W7MkVg7          no secret is needed
    """
    from cg_backends.cli.bulk import report
    from cg_core import AddJob, Descriptor

    shown = Descriptor(group, join_key=join_key)
    if shown.is_public:
        pass  # no credentials are needed, or sent (C-6)
    elif shown.join_key is not None:
        shown = Descriptor(group, join_key=join_key, **credentials.arguments(new=False))
    elif credentials.is_given:
        raise click.UsageError("a join secret needs its join key: give --join-key KEY, too")
    work = place.call_all([AddJob(shown, job) for job in jobs], "Adding jobs")
    report(work, jobs, group, "added", "to", place)


@click.command("list-jobs", cls=Command)
@group_options
@place_options
def list_jobs(*, group: GroupName, place: Place) -> None:
    """List a group's jobs, in the order in which they joined.

    \b
    Examples:
      cg list-jobs farm
      cg list-jobs --id 2 --json
    """
    from cg_backends.cli.names import told
    from cg_core import ListJobs

    jobs = place.call(ListJobs(group))
    _show_jobs(jobs, place)
    if not jobs:
        place.note(f"There is no job in {told(group)}.")


@click.command("remove-job", cls=Command)
@job_options
@place_options
def remove_job(*, group: GroupName, jobs: Sequence[JobId], place: Place) -> None:
    """Take jobs out of a group; they live on.

    They may be added again.

    \b
    Examples:
      cg remove-job farm P+Y4IApeFQLrYS2W7MkVg7
      cg remove-job farm --jobs-file jobs.txt
    """
    from cg_backends.cli.bulk import report
    from cg_core import RemoveJob

    work = place.call_all([RemoveJob(group, job) for job in jobs], "Removing jobs")
    report(work, jobs, group, "removed", "from", place)


@click.command("remove-all-jobs", cls=Command)
@group_options
@no_question
@place_options
def remove_all_jobs(*, group: GroupName, is_sure: bool, place: Place) -> None:
    """Take all jobs out of a group; they live on.

    Those that were in it are printed.

    \b
    Examples:
      cg remove-all-jobs farm
      cg remove-all-jobs --id 2 --yes > removed.txt
    """
    from cg_backends.cli.names import told
    from cg_core import RemoveAllJobs

    request = RemoveAllJobs(group)
    ask(f"Take all jobs out of {told(group)}?", is_sure=is_sure)
    jobs = place.call(request)
    _show_jobs(jobs, place)
    place.note(f"Removed {_count(jobs)} from {told(group)}.")


@click.command("cancel-job", cls=Command)
@job_options
@no_question
@place_options
def cancel_job(*, group: GroupName, jobs: Sequence[JobId], is_sure: bool, place: Place) -> None:
    """Cancel jobs of a group, for good.

    They leave every group and can never be added again. To take them out of this group only:
    cg remove-job.

    \b
    Examples:
      cg cancel-job farm P+Y4IApeFQLrYS2W7MkVg7
      cg cancel-job farm --jobs-file jobs.txt --yes
    """
    from cg_backends.cli.bulk import report
    from cg_core import CancelJob

    requests = [CancelJob(group, job) for job in jobs]
    ask(f"Cancel {_count(jobs)} for good, in every group?", is_sure=is_sure)
    work = place.call_all(requests, "Cancelling jobs")
    report(work, jobs, group, "cancelled", "of", place)


@click.command("cancel-all-jobs", cls=Command)
@group_options
@no_question
@place_options
def cancel_all_jobs(*, group: GroupName, is_sure: bool, place: Place) -> None:
    """Cancel all jobs of a group, for good.

    They leave every group and can never be added again: all of them, or none. They are printed.
    To take them out of this group only: cg remove-all-jobs.

    \b
    Examples:
      cg cancel-all-jobs farm
      cg cancel-all-jobs --id 2 --yes
    """
    from cg_backends.cli.names import told
    from cg_core import CancelAllJobs

    request = CancelAllJobs(group)
    ask(f"Cancel every job of {told(group)} for good, in every group?", is_sure=is_sure)
    jobs = place.call(request)
    _show_jobs(jobs, place)
    place.note(f"Cancelled {_count(jobs)} of {told(group)}.")


def _count(jobs: Sequence[JobId] | None) -> str:
    if jobs is None:
        return "all jobs (the service does not say which)"
    return "1 job" if len(jobs) == 1 else f"{len(jobs)} jobs"


def _show_jobs(jobs: Sequence[JobId] | None, place: Place) -> None:
    if place.as_json:
        click.echo(json.dumps(jobs, indent=2))
    elif jobs:
        click.echo("\n".join(jobs))
