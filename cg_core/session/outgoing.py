"""What is queued to be sent, and how much of it goes into one message (wire.md, Messages).

Nothing waits for company: what is there when a message may go, goes, in a batch if it is more than
one. A request that acts for another address travels alone, since the members of a batch are not
signed one by one (C-9).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from cg_core.session.calls import Call, Calls
from cg_core.session.message_texts import member_content_text
from cg_core.session.messages import Message, Response
from cg_core.session.settings import Settings

_SPARE = 32  # items that may be queued, though half of them are not wanted any more

Item: TypeAlias = Call | Response


class Outgoing:
    """A queue of requests and responses.

    Args:
        calls: the requests that are still wanted; others are passed over.
        settings: how much may go into a batch.
    """

    __slots__ = ("_calls", "_items", "_purge_at", "_settings")

    def __init__(self, calls: Calls, settings: Settings) -> None:
        self._calls = calls
        self._settings = settings
        self._items: deque[Item] = deque()
        self._purge_at = _SPARE

    def __len__(self) -> int:
        """How many items are queued, with those that nobody wants any more."""
        return len(self._items)

    def append(self, item: Item) -> None:
        """Queue something."""
        self._items.append(item)
        if len(self._items) > self._purge_at:
            self._items = deque(filter(self._is_wanted, self._items))
            self._purge_at = 2 * len(self._items) + _SPARE

    def append_first(self, item: Item) -> None:
        """Queue something in front of all else."""
        self._items.appendleft(item)

    def clear(self) -> None:
        """Nothing of it is wanted any more."""
        self._items.clear()

    def take(
        self, message: Callable[[Item], Message], numbering: Callable[[], str]
    ) -> Message | list[str] | None:
        """Take out what goes next.

        Args:
            message: makes an item a message; its numbering is not looked at.
            numbering: gives the numbering of a batch's members, which is the same for all.

        Returns:
            One message, or the texts of several for a batch, or None where there is nothing.
        """
        first: Message | None = None
        texts: list[str] = []
        length, ending = 0, ""
        most, most_length = self._settings.most_in_batch, self._settings.batch_length
        while (item := self._first()) is not None and len(texts) < most:
            alone = isinstance(item, Call) and item.join_identity is not None
            if first is not None and (alone or length > most_length):
                break
            self._items.popleft()
            taken = message(item)
            if first is None:
                first = taken
                if alone or self._first() is None:
                    break
                ending = numbering()
            texts.append(member_content_text(taken) + ending)
            length += len(texts[-1])
        return texts if len(texts) > 1 else first

    def _first(self) -> Item | None:
        while self._items:
            item = self._items[0]
            if self._is_wanted(item):
                return item
            self._items.popleft()
        return None

    def _is_wanted(self, item: Item) -> bool:
        return isinstance(item, Response) or item.id in self._calls
