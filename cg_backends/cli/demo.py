"""`cg demo`: the API page, call by call, on the in-memory backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cg_backends.memory import World
from cg_core import Address, Descriptor, JobId, Refused

OWNER = Address("0x8e077691A9f7152F7F709479233d06FA5273c15d")
STRANGER = Address("0x048069904c28b50Aa584B07a450CBF675272c593")
RENDER = JobId("P+Y4IApeFQLrYS2W7MkVg7")
ENCODE = JobId("Q+Y4IApeFQLrYS2W7MkVg8")
UPLOAD = JobId("R+Y4IApeFQLrYS2W7MkVg9")


@attrs.frozen
class Step:
    """A call of the demo.

    Attributes:
        call: how it is written; secrets as stars.
        answer: what came back, or the refusal.
        meaning: what that means, in words.
        refused: whether it was refused.
    """

    call: str
    answer: str
    meaning: str
    refused: bool = False


def steps(world: World) -> Iterator[Step]:
    """Carry out the demo's calls, one after the other, in a world."""
    groups = world.connect(OWNER)
    stranger = world.connect(STRANGER)

    farm = groups.create("render farm", join_key="farm", join_secret="s3cret")
    yield Step(
        _call("create", '"render farm"', 'join_key="farm", join_secret=***'),
        repr(farm),
        "the new group's id; the secret is hashed at once and not kept",
    )
    groups.change_group(farm, description="Frames of the film")
    yield Step(
        _call("change_group", f"{farm}", 'description="Frames of the film"'),
        "None",
        "what is not given stays",
    )
    yield Step(
        _call("get_group", f"{farm}") + ".description",
        repr(groups.get_group(farm).description),
        "a group has all but its secret to show",
    )
    yield Step(
        _call("list_groups"),
        "\n".join(group.name for group in groups.list_groups()),
        "those that the caller owns",
    )
    for job in (RENDER, ENCODE):
        groups.add_job(farm, job, join_key="farm", join_secret="s3cret")
        yield Step(_add_job(farm, job), "None", "the job is in the group")
    answers = groups.add_job_to_groups(UPLOAD, [Descriptor("farm", join_secret="s3cret"), "public"])
    yield Step(
        _call(
            "add_job_to_groups",
            f'"{UPLOAD}"',
            '[Descriptor("farm",\n              join_secret=***),\n   "public"]',
        ),
        "\n".join(f"{each.group}: added" for each in answers if each.added),
        "each group answers for itself; the public group takes jobs from anyone",
    )
    yield _refused(
        _add_job(farm, RENDER),
        lambda: groups.add_job(farm, RENDER, join_key="farm", join_secret="guess"),
        "a wrong secret lets nobody in, not even the owner",
    )
    yield _refused(
        _call("list_jobs", f"{farm}"),
        lambda: stranger.list_jobs(farm),
        "somebody else asks: owner only",
    )
    yield Step(
        _call("list_jobs", f"{farm}"),
        "\n".join(groups.list_jobs(farm)),
        "in the order in which they joined",
    )
    groups.remove_job(farm, RENDER)
    yield Step(
        _call("remove_job", f"{farm}", f'"{RENDER}"'),
        "None",
        "it left this group; the job itself lives on",
    )
    groups.cancel_job(farm, ENCODE)
    yield Step(
        _call("cancel_job", f"{farm}", f'"{ENCODE}"'),
        "None",
        "the job is over, in every group",
    )
    yield Step(
        _call("remove_all_jobs", f"{farm}"),
        "\n".join(groups.remove_all_jobs(farm) or ()),
        "the jobs that were left; they live on",
    )
    groups.add_job(farm, UPLOAD, join_key="farm", join_secret="s3cret")
    yield Step(_add_job(farm, UPLOAD), "None", "what was removed may come back")
    yield Step(
        _call("cancel_all_jobs", f"{farm}"),
        "\n".join(groups.cancel_all_jobs(farm) or ()),
        "all of its jobs are over; this one has left the public group, too",
    )
    groups.delete_group(farm)
    yield Step(_call("delete_group", f"{farm}"), "None", "the group is gone")


def run() -> None:
    """Run the demo and print it as a table on stdout."""
    table = Table(
        title="Compute groups: the API, call by call, in memory",
        caption="docs/testing.md shows how to test your own program this way.",
        title_justify="left",
        caption_justify="left",
        show_lines=True,
    )
    table.add_column("", justify="right", style="dim")
    table.add_column("call", style="bold", overflow="fold")
    table.add_column("answer, and what it means", overflow="fold")
    for number, step in enumerate(steps(World()), start=1):
        answer = Text(step.answer, style="red" if step.refused else "green")
        answer.append(f"\n{step.meaning}", style="default")
        table.add_row(str(number), Text(step.call), answer)
    Console().print(table)


def _call(method: str, *lines: str) -> str:
    # What stands on a line of its own is not broken in a terminal of 80 columns.
    if len(lines) < 2:
        return f"{method}({''.join(lines)})"
    indented = ",\n  ".join(lines)
    return f"{method}(\n  {indented}\n)"


def _add_job(group: object, job: JobId) -> str:
    return _call("add_job", f"{group}", f'"{job}"', 'join_key="farm", join_secret=***')


def _refused(call: str, make: Callable[[], object], meaning: str) -> Step:
    try:
        make()
    except Refused as refusal:
        return Step(call, f"{refusal.name} ({refusal.code})", meaning, refused=True)
    raise AssertionError(f"{call} was not refused")
