"""Draws the way of a request through the layers as layers.svg: run it to draw it anew."""

from __future__ import annotations

from pathlib import Path

from drawing import arrow, box, svg, text

DRAWING = Path(__file__).parent / "layers.svg"

# The two ends of each layer, and what goes from one to the next; layers.md follows this request.
ROWS = [
    ("your program", "store", 'groups.list_jobs("farm")'),
    ("request", "request", 'ListJobs("farm")'),
    ("operation", "operation", 'listJobs {"descriptor":{"joinKey":"farm"}}'),
    ("message", "message", '{"id":"1-2-…","type":"request","payload":{…},…}'),
    ("sealed text", "sealed text", '{"owner":"0x19E7…","signature":{…},"body":{…}}'),
    ("session", "session", "one at a time, until it is acked"),
    ("DCP transport", "DCP transport", "in pieces, where it is too long"),
    ("Socket.IO", "Socket.IO", r'2["message","{\"owner\":…}"]'),
    ("Engine.IO", "Engine.IO", r'42["message","{\"owner\":…}"]'),
    ("sync, asyncio, trio", "cg serve", "by WebSocket, or in HTTP requests"),
]
LEFT, MIDDLE, RIGHT = 30, 440, 690
WIDTH, HEIGHT, STEP = 160, 34, 54
DOWN, UP = LEFT + WIDTH // 2, RIGHT + WIDTH // 2


def drawing() -> str:
    """The two ends: a request goes down on the left, and up on the right."""
    tops = range(20, 20 + STEP * len(ROWS), STEP)
    core = f'y="{tops[1] - 10}" height="{tops[-1] - tops[1]}"'
    last = tops[-1] + HEIGHT // 2
    return svg(
        "A request goes down through the layers of a client, and up through those of a service",
        880,
        tops[-1] + STEP,
        f'<rect class="frame" x="10" width="860" rx="8" {core}/>',
        text(LEFT + WIDTH + 15, tops[1] + 10, "cg_core, without I/O", kind="name"),
        *(_row(top, *row) for top, row in zip(tops, ROWS, strict=True)),
        *(arrow(f"M{DOWN},{top - STEP + HEIGHT} V{top - 8}") for top in tops[1:]),
        *(arrow(f"M{UP},{top} V{top - STEP + HEIGHT + 8}") for top in tops[1:]),
        arrow(f"M{LEFT + WIDTH},{last + 10} H{RIGHT - 8}"),
    )


def _row(top: int, left: str, right: str, between: str) -> str:
    kind = "code" if '"' in between else ""
    return "\n".join(
        [
            box(LEFT, top, WIDTH, HEIGHT, left),
            text(MIDDLE, top + HEIGHT / 2 + 4, between, anchor="middle", kind=kind),
            box(RIGHT, top, WIDTH, HEIGHT, right),
        ]
    )


if __name__ == "__main__":
    DRAWING.write_text(drawing(), encoding="utf-8")
