"""What a service has counted, as Prometheus reads it (its text format, version 0.0.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import attrs

# Seconds: a call in memory takes a tenth of the first, a crowded one of a database the last.
_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_Labels: TypeAlias = Mapping[str, str]


@attrs.define
class Metrics:
    """What has happened so far.

    Attributes:
        connections: connections that were made.
        refused: connections that were refused, by the reason.
        sessions: sessions that were opened.
        requests: requests that were answered, by operation and outcome.
        seconds: how long all of them took together.
    """

    connections: int = 0
    refused: Counter[str] = attrs.field(factory=Counter)
    sessions: int = 0
    requests: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    seconds: float = 0.0
    _within: list[int] = attrs.field(factory=lambda: [0] * len(_BOUNDS))

    def answered(self, operation: str, outcome: str, seconds: float) -> None:
        """A request was answered."""
        self.requests[operation, outcome] += 1
        self.seconds += seconds
        for place, bound in enumerate(_BOUNDS):
            if seconds <= bound:
                self._within[place] += 1
                break

    def exposition(self, *, connections: int, sessions: int, waiting: int) -> str:
        """The text.

        Args:
            connections: how many there are now.
            sessions: how many there are now.
            waiting: requests that wait for the store.
        """
        families = (
            _family("connections", "gauge", "Connections there are.", connections),
            _family("connections_total", "counter", "Connections made.", self.connections),
            _labelled(
                "connections_refused_total",
                "Connections refused, by the reason.",
                (({"reason": reason}, count) for reason, count in sorted(self.refused.items())),
            ),
            _family("sessions", "gauge", "Sessions there are.", sessions),
            _family("sessions_total", "counter", "Sessions opened.", self.sessions),
            _family("requests_waiting", "gauge", "Requests that wait for the store.", waiting),
            _labelled(
                "requests_total",
                "Requests answered, by operation and outcome.",
                (
                    ({"operation": operation, "outcome": outcome}, count)
                    for (operation, outcome), count in sorted(self.requests.items())
                ),
            ),
            self._histogram(),
        )
        return "".join(f"{line}\n" for family in families for line in family)

    def _histogram(self) -> Iterable[str]:
        name = "request_seconds"
        yield from _head(name, "histogram", "Seconds from a request's arrival to its answer.")
        total = 0
        for bound, count in zip(_BOUNDS, self._within, strict=True):
            total += count
            yield _sample(f"{name}_bucket", total, {"le": f"{bound:g}"})
        answered = self.requests.total()
        yield _sample(f"{name}_bucket", answered, {"le": "+Inf"})
        yield _sample(f"{name}_sum", self.seconds)
        yield _sample(f"{name}_count", answered)


def _family(name: str, kind: str, told: str, value: float) -> Iterable[str]:
    yield from _head(name, kind, told)
    yield _sample(name, value)


def _labelled(name: str, told: str, samples: Iterable[tuple[_Labels, float]]) -> Iterable[str]:
    yield from _head(name, "counter", told)
    for labels, value in samples:
        yield _sample(name, value, labels)


def _head(name: str, kind: str, told: str) -> Iterable[str]:
    yield f"# HELP compute_groups_{name} {told}"
    yield f"# TYPE compute_groups_{name} {kind}"


def _sample(name: str, value: float, labels: _Labels | None = None) -> str:
    # No label's value needs an escape: they are names of operations and errors, and numbers.
    told = ",".join(f'{label}="{value}"' for label, value in (labels or {}).items())
    return f"compute_groups_{name}{f'{{{told}}}' if told else ''} {value}"
