"""Connecting: what the two ends say first, and whether they may go on (wire.md, Session).

{version, sid}  ->                                sid: the initiator's half of the session's id
                <-  {version, operation, peer}    dcpsid: both halves

`peer` is ours: for whom the session is. Without it (dcp-client's Target does not say it) whoever is
between the ends could have a session of its own taken for the initiator's, and join by what the
initiator shows to it.
"""

from __future__ import annotations

from typing import Any

import attrs

from cg_core.addresses import Address
from cg_core.errors import Busy, ComputeGroupsError, ProtocolError, invalid_message
from cg_core.session.messages import ABSENT, Response
from cg_core.session.versions import COMPATIBLE, VERSION, is_compatible

_LONGEST_PART = 64  # characters of one half; ours have 21
_UPDATE = "update the older of the two"


@attrs.frozen
class ConnectAnswer:
    """A target's answer to a connect.

    Attributes:
        session_id: the id of the session.
        payload: what is answered.
        refusal: why there will be no session, None where there will.
    """

    session_id: str
    payload: dict[str, str]
    refusal: ComputeGroupsError | None


def connect_data(sid: str) -> dict[str, str]:
    """What an initiator says of itself."""
    return {"version": VERSION, "sid": sid}


def answer_connect(
    data: Any, own_part: str, busy: Busy | None = None, *, peer: Address | None = None
) -> ConnectAnswer:
    """A target's answer to what an initiator says of itself.

    Args:
        data: as it came.
        own_part: the target's half of the session's id.
        busy: why there is no room for another session, None where there is.
        peer: the initiator's address, to be said; None leaves it out.

    Raises:
        ProtocolError: there is no half of an id in it (EINVAL).
    """
    sid = data.get("sid") if isinstance(data, dict) else None
    if not isinstance(sid, str) or not 0 < len(sid) <= _LONGEST_PART:
        raise invalid_message("a connect needs a sid")
    if is_compatible(data.get("version")):
        if busy is not None:
            payload = {"message": busy.message, "code": busy.code, "name": busy.name}
            return ConnectAnswer(sid + own_part, payload, busy)
        payload = {"version": VERSION, "operation": "connect"}
        if peer is not None:
            payload["peer"] = peer
        return ConnectAnswer(sid + own_part, payload, None)
    payload = {"message": COMPATIBLE, "code": "EVERSION"}
    return ConnectAnswer(sid + own_part, payload, _incompatible(data.get("version")))


def session_id_of(response: Response, sid: str, own: Address | None = None) -> str:
    """The session's id, of a target's answer to a connect.

    Args:
        response: the answer.
        sid: the initiator's half of the id.
        own: the initiator's address, to be compared with what is said of it.

    Raises:
        Busy: the target has no room for another session.
        ProtocolError: the target refuses, or has the wrong version (EVERSION), or gives an id that
            does not begin with our half (EDCPSID), or says that the session is another's.
    """
    payload = response.payload if isinstance(response.payload, dict) else {}
    if not response.success:
        raise _refused(payload)
    if not is_compatible(payload.get("version")):
        raise _incompatible(payload.get("version"))
    given = response.dcpsid
    longest = len(sid) + _LONGEST_PART
    if given is ABSENT or not given.startswith(sid) or not len(sid) < len(given) <= longest:
        raise ProtocolError("the session's id does not begin with our half", code="EDCPSID")
    if payload.get("peer", own) != own:
        raise ProtocolError("the session is another's: who is between the ends?", code="EDCPSID")
    return given


def _incompatible(version: object) -> ProtocolError:
    shown = f"{version!a:.40}" if isinstance(version, str) else "unknown"
    return ProtocolError(
        f"the peer's version is {shown}; {COMPATIBLE} is needed; {_UPDATE}", code="EVERSION"
    )


def _refused(payload: dict[str, Any]) -> ComputeGroupsError:
    message = payload.get("message")
    shown = f"{message!a:.200}" if isinstance(message, str) else "it does not say why"
    if payload.get("code") == "EVERSION":
        return ProtocolError(
            f"the peer takes another version ({shown}); this is {VERSION}; {_UPDATE}",
            code="EVERSION",
        )
    if payload.get("code") == Busy.default_code:
        return Busy(f"the peer has no room for another session: {shown}")
    return ProtocolError(f"the peer refused to connect: {shown}", code="ECONNREFUSED")
