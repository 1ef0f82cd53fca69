"""The library's messages, in the words of the command line.

The library speaks to who writes Python, and `cg` to who sits at a shell. What a message quotes is
somebody's own text, and stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

_Wording: TypeAlias = str | Callable[[re.Match[str]], str]


def worded(message: str) -> str:
    """A message of the library's, for who knows no Python; any other stays as it is."""
    parts = _QUOTED.split(message)
    parts[::2] = [_worded(part) for part in parts[::2]]
    return "".join(parts)


def _worded(text: str) -> str:
    for seen, wanted in _TABLE:
        text = seen.sub(wanted, text)
    return text


def _option(found: re.Match[str]) -> str:
    return "--" + found[0].replace("_", "-")


# With a word before or behind it, an apostrophe is none that quotes.
_QUOTED: Final = re.compile(r"""(?<!\w)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!\w)""")

# Names of Python's, but not within a path, a URL or another name.
_ALONE: Final = r"(?<![\w/\\.-])(?:{})(?![\w/\\-]|\.\w)"

# What is seen, and what is wanted in its place; of two that fit, the first.
_TABLE: Final[tuple[tuple[re.Pattern[str], _Wording], ...]] = tuple(
    (re.compile(seen), wanted)
    for seen, wanted in (
        # Advice
        (r"; a plain str names a group by its join key, an int by its row id, .* opaque id$", ""),
        (
            r"give its join_key and, where it has one, its join_secret",
            "give its join key and, where it has one, its join secret",
        ),
        (r"list_jobs says which are", "`cg list-jobs` says which are"),
        (r"as join_hash\(\) makes them", "as `cg hash` makes them"),
        (r"load_identity\(path\)\.address finds it", "it is damaged, or another program's"),
        (r": load_identity\(path, passphrase\) opens it", ""),
        (
            r": (?:identity=Identity\(\.\.\.\)|Identity\(private_key\)) takes one",
            "; a keystore holds one, and no argument",
        ),
        (r"insecure=True", "--insecure"),
        (r"; give them to the httpx client that you pass as http=", "; `cg` sends none"),
        (r", or pass a client as http=", ""),
        (
            r"to trust a CA of your own, pass an httpx client that does as http=",
            "for another machine than this one, SSL_CERT_FILE names a CA of your own",
        ),
        (
            r"which cg_backends\.sync, \.asyncio and \.trio call",
            "which --service names",
        ),
        (r" What need not last is in cg_backends\.memory", ""),
        (r", which never keeps an event loop waiting either", ""),
        (r"holds half of a surrogate pair(?: at position \d+)?; take it out", "is not UTF-8"),
        (r" at position \d+; take it out", "; take it out"),
        # Types
        (r" \(an? (?:str|int|Decimal)\)", ""),
        (r"\(a str of (\d+) characters\)", r"(\1 characters)"),
        (r": expected (an? [a-z ]+), not \w+", r" is not \1"),
        (_ALONE.format("an? (?:plain )?str or an? [A-Z][A-Za-z]+"), "a text"),
        (_ALONE.format("an? (?:plain )?str"), "a text"),
        (_ALONE.format("a Decimal or an int|a Decimal"), "a number"),
        (_ALONE.format("an int"), "a whole number"),
        # Names
        (_ALONE.format("join_secret"), "the join secret"),
        (_ALONE.format("join_hash"), "the join hash"),
        (
            _ALONE.format(
                "join_(?:key|address|identity)|opaque_id|service_address|commission_rate|"
                "deploy_(?:fee|access)|add_job_fee|max_(?:total_payment|concurrent_[a-z]+)"
            ),
            _option,
        ),
    )
)
