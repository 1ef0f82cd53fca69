"""What the diagrams are made of: SVG that is readable in the light and in the dark."""

from __future__ import annotations

from html import escape

_STYLE = """
svg { --paper: #fff; --ink: #1f2328; --box: #eaf2fb; --edge: #3a6ea5; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #131416; --ink: #dfe3e8; --box: #1d2b3a; --edge: #78a9dc; }
}
text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.code { font: 12px ui-monospace, monospace; }
.name { font-weight: 600; }
.paper { fill: var(--paper); }
.box { fill: var(--box); stroke: var(--edge); stroke-width: 1.5; }
.frame { fill: none; stroke: var(--edge); stroke-dasharray: 5 4; }
.arrow { fill: none; stroke: var(--edge); stroke-width: 1.5; marker-end: url(#head); }
.dot { fill: var(--edge); }
"""
_HEAD = """\
<marker id="head" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="6" markerHeight="6"
orient="auto"><path class="dot" d="M0,0 L8,4 L0,8 Z"/></marker>"""


def svg(title: str, width: int, height: int, *parts: str) -> str:
    """A drawing, on paper of its own."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    paper = f'<rect class="paper" width="{width}" height="{height}" rx="8"/>'
    lines = [head, f"<title>{title}</title>", f"<style>{_STYLE}</style>", _HEAD, paper, *parts]
    return "\n".join([*lines, "</svg>\n"])


def text(x: float, y: float, line: str, *, anchor: str = "start", kind: str = "") -> str:
    """A line of text, which starts, ends or has its middle at a point."""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{escape(line)}</text>'


def box(x: float, y: float, width: float, height: float, name: str) -> str:
    """A box with its name in it."""
    return f'<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>' + text(
        x + width / 2, y + height / 2 + 4, name, anchor="middle", kind="name"
    )


def arrow(path: str) -> str:
    """An arrow along a path, which ends 8 before what it points to."""
    return f'<path class="arrow" d="{path}"/>'
