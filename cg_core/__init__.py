"""Compute groups of the Distributed Compute Protocol, without I/O.

Requests, the rules that decide them, and what they travel as. Nothing here opens a socket or a
file, reads a clock or the environment, draws a random number, starts a thread or writes a log:
time and random text come in as arguments.
"""

from cg_core.addresses import Address
from cg_core.clients import AsyncClient, Client
from cg_core.descriptors import Descriptor
from cg_core.errors import (
    BadCredentials,
    Busy,
    ClientClosed,
    ComputeGroupsError,
    DuplicateJoinKey,
    GroupNotFound,
    InvalidArgument,
    InvalidType,
    InvalidValue,
    JobCancelled,
    JobNotFound,
    LimitReached,
    NetworkError,
    NotFound,
    NotOwner,
    OutcomeUnknown,
    ProtocolError,
    Refused,
    Unsupported,
)
from cg_core.groups import KEEP, PUBLIC_GROUP, Group, GroupChanges, GroupRow, Keep
from cg_core.hashing import eh1
from cg_core.identifiers import GroupId, GroupName, JobId, OpaqueId
from cg_core.identity import Identity
from cg_core.join_hashes import JoinHash, JoinHashHash, JoinSecret, join_hash
from cg_core.operations import Operation, from_operation, to_operation
from cg_core.ownership import Caller
from cg_core.properties import GroupProperties
from cg_core.replies import from_reply, to_reply
from cg_core.requests import (
    AddJob,
    AddJobToGroups,
    CancelAllJobs,
    CancelJob,
    ChangeGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroups,
    ListJobs,
    RemoveAllJobs,
    RemoveJob,
    Request,
)
from cg_core.results import AddJobResult
from cg_core.rows import Decision, JobRow, MembershipRow, Row, Rows
from cg_core.rules import READS, decide
from cg_core.terms import Terms

__all__ = [
    "KEEP",
    "PUBLIC_GROUP",
    "READS",
    "AddJob",
    "AddJobResult",
    "AddJobToGroups",
    "Address",
    "AsyncClient",
    "BadCredentials",
    "Busy",
    "Caller",
    "CancelAllJobs",
    "CancelJob",
    "ChangeGroup",
    "Client",
    "ClientClosed",
    "ComputeGroupsError",
    "CreateGroup",
    "Decision",
    "DeleteGroup",
    "Descriptor",
    "DuplicateJoinKey",
    "GetGroup",
    "Group",
    "GroupChanges",
    "GroupId",
    "GroupName",
    "GroupNotFound",
    "GroupProperties",
    "GroupRow",
    "Identity",
    "InvalidArgument",
    "InvalidType",
    "InvalidValue",
    "JobCancelled",
    "JobId",
    "JobNotFound",
    "JobRow",
    "JoinHash",
    "JoinHashHash",
    "JoinSecret",
    "Keep",
    "LimitReached",
    "ListGroups",
    "ListJobs",
    "MembershipRow",
    "NetworkError",
    "NotFound",
    "NotOwner",
    "OpaqueId",
    "Operation",
    "OutcomeUnknown",
    "ProtocolError",
    "Refused",
    "RemoveAllJobs",
    "RemoveJob",
    "Request",
    "Row",
    "Rows",
    "Terms",
    "Unsupported",
    "decide",
    "eh1",
    "from_operation",
    "from_reply",
    "join_hash",
    "to_operation",
    "to_reply",
]
