"""Draws the session's states, from their table, as session_states.svg: run it to draw them anew.

Where things stand is said here; which arrows there are, and what they say, the table says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from drawing import arrow, box, svg, text

from cg_core.session import TRANSITIONS, Input, State

DRAWING = Path(__file__).parent / "session_states.svg"

# The left upper corner of each box, its width and its height.
BOXES = {
    State.CONNECTING: (120, 30, 130, 40),
    State.ESTABLISHED: (120, 180, 130, 60),
    State.INTERRUPTED: (120, 410, 130, 60),
    State.CLOSING: (440, 300, 100, 50),
    State.CLOSED: (780, 30, 80, 440),
}

# How each arrow runs, where its first line of text stands, and on which side of that.
ARROWS = {
    (State.CONNECTING, State.ESTABLISHED): ("M185,70 V172", (177, 126), "end"),
    (State.CONNECTING, State.CLOSED): ("M250,50 H772", (265, 70), "start"),
    (State.ESTABLISHED, State.INTERRUPTED): ("M165,240 V402", (157, 326), "end"),
    (State.INTERRUPTED, State.ESTABLISHED): ("M205,410 V248", (213, 326), "start"),
    (State.ESTABLISHED, State.CLOSING): ("M250,225 H370 V313 H432", (380, 250), "start"),
    (State.INTERRUPTED, State.CLOSING): ("M250,425 H370 V337 H432", (380, 390), "start"),
    (State.ESTABLISHED, State.CLOSED): ("M250,195 H772", (585, 215), "start"),
    (State.INTERRUPTED, State.CLOSED): ("M250,455 H772", (265, 475), "start"),
    (State.CLOSING, State.CLOSED): ("M540,325 H772", (585, 345), "start"),
}
LINE = 17


def drawing(transitions: Mapping[State, Mapping[Input, State]] = TRANSITIONS) -> str:
    """The diagram; inputs that lead from one state to the same other share an arrow."""
    inputs: dict[tuple[State, State], list[str]] = {}
    for state, moves in transitions.items():
        for moved_by, next_state in moves.items():
            if next_state is not state:
                inputs.setdefault((state, next_state), []).append(moved_by.value)
    if inputs.keys() != ARROWS.keys():
        raise ValueError(f"arrows are missing, or too many: {inputs.keys() ^ ARROWS.keys()}")
    return svg(
        "The states of a session, and what moves it from one to the next",
        880,
        510,
        '<circle class="dot" cx="70" cy="50" r="6"/>',
        arrow("M76,50 H112"),
        *(box(*BOXES[state], state.name) for state in State),
        *(_labelled_arrow(*ARROWS[ends], lines) for ends, lines in inputs.items()),
    )


def _labelled_arrow(path: str, at: tuple[int, int], anchor: str, lines: list[str]) -> str:
    x, y = at
    texts = [text(x, y + number * LINE, line, anchor=anchor) for number, line in enumerate(lines)]
    return "\n".join([arrow(path), *texts])


if __name__ == "__main__":
    DRAWING.write_text(drawing(), encoding="utf-8")
