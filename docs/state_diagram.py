"""Draws the session's states, from their table, into layers.md: `python docs/state_diagram.py`."""

from __future__ import annotations

import re
from pathlib import Path

from cg_core.session import TRANSITIONS, State

PAGE = Path(__file__).parent / "layers.md"
DIAGRAM = re.compile("```mermaid\n.*?```", re.DOTALL)


def mermaid() -> str:
    """The diagram; inputs that lead from one state to the same other share an arrow."""
    lines = ["stateDiagram-v2", f"    [*] --> {State.CONNECTING.name}"]
    for state, moves in TRANSITIONS.items():
        for next_state in State:
            inputs = [moved_by.value for moved_by, to in moves.items() if to is next_state]
            if inputs and next_state is not state:
                lines.append(f"    {state.name} --> {next_state.name}: {'<br/>'.join(inputs)}")
    lines.append(f"    {State.CLOSED.name} --> [*]")
    return "\n".join(lines) + "\n"


def drawn(page: str) -> str:
    """A page with the diagram in the place of the one that it has."""
    return DIAGRAM.sub(lambda _: f"```mermaid\n{mermaid()}```", page, count=1)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
