"""Where a service is: its URL, as far as a client must understand it."""

from __future__ import annotations

import re
from typing import Final

import attrs

from cg_core.errors import InvalidType, InvalidValue
from cg_core.identity import looks_like_private_key
from cg_core.text import type_name

_URL: Final = re.compile(
    r"(?P<scheme>(?i:https?))://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x1f\x7f-\x9f/:?#@\[\]\\]+)"
    r"(?P<port>:[0-9]{1,5})?(?P<path>/[^\s\x00-\x1f\x7f-\x9f?#]*)?"
)
_LAST_PORT: Final = 65_535
_LOOPBACK: Final = re.compile(r"(.*\.)?localhost\.?|127(\.[0-9]{1,3}){3}|\[::1\]")


@attrs.frozen
class ServiceURL:
    """The URL of a service or of a scheduler.

    Attributes:
        origin: scheme, host and port: `http://127.0.0.1:9800`.
        path: the path, with a slash at its end.
    """

    origin: str
    path: str

    @classmethod
    def parse(cls, url: str, field: str = "url") -> ServiceURL:
        """The parts of a URL; a slash is put to its end where there is none.

        Args:
            url: `http://...` or `https://...`, without user, query and fragment.
            field: what an error calls it.

        Raises:
            InvalidType: it is no str.
            InvalidValue: it is no such URL.
        """
        if not isinstance(url, str):
            raise InvalidType(f"{field} must be a str, not {type_name(url)}")
        if "@" in url:
            # Not shown: what stands before the @ may be a password.
            raise InvalidValue(
                f"{field} must hold no user or password; give them to the httpx client that you "
                "pass as http="
            )
        if looks_like_private_key(url):
            raise InvalidValue(
                f"{field} looks like a private key: identity=Identity(...) takes one"
            )
        match = _URL.fullmatch(url)
        if match is None or int((match["port"] or ":0")[1:]) > _LAST_PORT:
            raise InvalidValue(
                f"{field} must be like http://127.0.0.1:9800/ or https://example.org/path/, "
                f"not {url!a:.200}"
            )
        scheme, host, port, path = match.group("scheme", "host", "port", "path")
        path = path or "/"
        return cls(
            f"{scheme.lower()}://{host.lower()}{port or ''}",
            path if path.endswith("/") else f"{path}/",
        )

    def __str__(self) -> str:
        return f"{self.origin}{self.path}"

    @property
    def is_encrypted(self) -> bool:
        """Whether what is sent there is encrypted on its way."""
        return self.origin.startswith("https:")

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is sent there, or change what it says."""
        return self.is_encrypted or self.is_loopback

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine, so that nothing leaves it."""
        host = self.origin.partition("://")[2]
        return _LOOPBACK.fullmatch(re.sub(":[0-9]+$", "", host)) is not None
