"""What the contract says, as naively as it can be said: the model that backends are held against.

Lists and dicts, looked through from front to end. Written from the contract's text, of which it
cites the rules; it shares nothing with the core but the names of the refusals.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from cg_core import (
    BadCredentials,
    DuplicateJoinKey,
    GroupNotFound,
    JobCancelled,
    JobNotFound,
    LimitReached,
    NotOwner,
    Refused,
)

Name: TypeAlias = tuple[str, int | str]
"""How a call names a group: ("id", 2), ("opaque_id", "...") or ("join_key", "farm")."""

Hashed: TypeAlias = tuple[str, str] | None
"""What stands for a join hash: the salt and the secret that it is made from."""

Record: TypeAlias = dict[str, Any]


class Shown(NamedTuple):
    """A group, and the join key and join hash that are shown to be let in."""

    name: Name
    key: str | None
    hashed: Hashed


class Model:
    """Groups and jobs, and the twelve requests. Refusals are raised; their messages say nothing.

    Args:
        opaque_ids: where new groups get their opaque ids from; those in use are passed over.
    """

    def __init__(self, opaque_ids: Iterator[str]) -> None:
        self.opaque_ids = opaque_ids
        self.last_id = 1
        self.jobs: dict[str, Record] = {}
        # The public group has no owner and no hash (C-6).
        public = {"id": 1, "opaque_id": "WHhetL7mj1w1mw1XV6dxyC", "join_key": "public"}
        free = {"owner": None, "hashed": None, "join_address": None, "max_concurrent_jobs": None}
        self.groups: list[Record] = [{**public, **free, "jobs": [], "cancelled": []}]

    def create(
        self, caller: str, now: datetime, *, opaque_id: str | None, hashed: Hashed, **given: Any
    ) -> int:
        self.require_free("join_key", given["join_key"])
        self.require_free("opaque_id", opaque_id)
        if opaque_id is None:
            taken = [group["opaque_id"] for group in self.groups]
            opaque_id = next(id for id in self.opaque_ids if id not in taken)
        if given["description"] is None:
            given["description"] = f"{given['name']}, created on {now:%Y-%m-%d}"[:255]
        self.last_id += 1
        ours = {"id": self.last_id, "opaque_id": opaque_id, "owner": caller, "created_at": now}
        self.groups.append({**ours, **given, "hashed": hashed, "jobs": [], "cancelled": []})
        return self.last_id

    def change_group(self, caller: str, name: Name, /, **given: Any) -> None:
        group = self.owned(caller, name)
        if given.get("join_key") != group["join_key"]:
            self.require_free("join_key", given.get("join_key"))
        group.update(given)

    def delete_group(self, caller: str, name: Name) -> None:
        self.groups.remove(self.owned(caller, name))

    def add_job(self, caller: str, joins_as: set[str], job: str, shown: Shown) -> None:
        # The order is that of C-16.
        name, key, hashed = shown
        group = self.find(name)
        if group["id"] != 1:
            self.require_let_in(caller, joins_as, group, self.key_shown(name, key), hashed)
        if job in self.jobs and self.jobs[job]["owner"] != caller:
            raise NotOwner("the job's")
        if job in self.jobs and self.jobs[job]["cancelled"]:
            raise JobCancelled("for good")
        if job in group["jobs"]:
            return
        limit = group["max_concurrent_jobs"]
        if limit is not None and len(group["jobs"]) >= limit:
            raise LimitReached("full")
        self.jobs.setdefault(job, {"owner": caller, "cancelled": False})
        group["jobs"].append(job)

    def add_job_to_groups(
        self, caller: str, joins_as: set[str], job: str, shown: list[Shown]
    ) -> list[tuple[int | str, type[Refused] | None]]:
        answers: list[tuple[int | str, type[Refused] | None]] = []
        for each in shown:
            (_, group), _, _ = each
            try:
                self.add_job(caller, joins_as, job, each)
                answers.append((group, None))
            except Refused as refusal:
                answers.append((group, type(refusal)))
        return answers

    def list_jobs(self, caller: str, name: Name) -> list[str]:
        return list(self.owned(caller, name)["jobs"])

    def remove_job(self, caller: str, name: Name, job: str) -> None:
        group = self.of_group_or_job(caller, name, job)
        if job not in group["jobs"]:
            raise JobNotFound("not in it")
        group["jobs"].remove(job)

    def remove_all_jobs(self, caller: str, name: Name) -> list[str]:
        group = self.owned(caller, name)
        removed, group["jobs"] = group["jobs"], []
        return list(removed)

    def cancel_job(self, caller: str, name: Name, job: str) -> None:
        group = self.of_group_or_job(caller, name, job)
        if job not in group["jobs"] and job not in group["cancelled"]:
            raise JobNotFound("not in it")
        self.cancel(job)

    def cancel_all_jobs(self, caller: str, name: Name) -> list[str]:
        jobs = list(self.owned(caller, name)["jobs"])
        for job in jobs:
            self.cancel(job)
        return jobs

    def get_group(self, caller: str, name: Name) -> Record:
        return as_shown(self.owned(caller, name))

    def list_groups(self, caller: str) -> list[Record]:
        return [as_shown(group) for group in self.groups if group["owner"] == caller]

    def state(self) -> Record:
        """What a world's `State` holds, in plain values."""
        return {
            "groups": [as_shown(group) for group in self.groups if group["id"] != 1],
            "jobs": [{"id": job, **record} for job, record in self.jobs.items()],
            "memberships": [
                {"group_id": group["id"], "job_id": job}
                for group in self.groups
                for job in group["jobs"]
            ],
        }

    def find(self, name: Name) -> Record:
        way, value = name
        for group in self.groups:
            if group[way] == value:
                return group
        raise GroupNotFound("none of that name")

    def owned(self, caller: str, name: Name) -> Record:
        group = self.find(name)
        if group["owner"] != caller:
            raise NotOwner("the group's")
        return group

    def of_group_or_job(self, caller: str, name: Name, job: str) -> Record:
        group = self.find(name)  # C-11: the group's owner or the job's owner
        if caller != group["owner"] and not (
            job in self.jobs and self.jobs[job]["owner"] == caller
        ):
            raise NotOwner("neither's")
        return group

    def require_free(self, field: str, value: str | None) -> None:
        if value is not None and value in [group[field] for group in self.groups]:
            raise DuplicateJoinKey("taken")

    def require_let_in(
        self, caller: str, joins_as: set[str], group: Record, key: str | None, hashed: Hashed
    ) -> None:
        open_to_show = group["join_key"] is not None or group["join_address"] is not None
        if group["owner"] != caller and (group["deploy_access"] == "owner" or not open_to_show):
            raise NotOwner("the group's")
        if key is not None and key != group["join_key"]:
            raise BadCredentials("id and key name two groups")  # C-8
        by_key = key is not None and group["hashed"] in (None, hashed)
        by_address = group["join_address"] in joins_as
        if open_to_show and not by_key and not by_address:
            raise BadCredentials("missing or wrong")

    def key_shown(self, name: Name, key: str | None) -> str | None:
        way, value = name
        return str(value) if way == "join_key" else key

    def cancel(self, job: str) -> None:
        self.jobs[job]["cancelled"] = True
        for group in self.groups:
            if job in group["jobs"]:
                group["jobs"].remove(job)
                group["cancelled"].append(job)


def as_shown(group: Record) -> Record:
    """A group as its owner sees it: without its hash, and without its jobs."""
    hidden = ("hashed", "jobs", "cancelled")
    return {field: value for field, value in group.items() if field not in hidden}
