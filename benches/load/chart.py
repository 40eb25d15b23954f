"""Renders the ratios to the hop as an SVG bar chart: one panel per scenario, all on the same logarithmic scale."""

import math
import statistics
from html import escape

from figures import GATEWAY, HOP, Figures, ratio

PANELS = [
    ("order.cpu", "One order, 64 connections: CPU per request"),
    ("alone.median", "One order, 1 connection: median latency"),
    ("short.cpu", "1 000 orders, 16 connections: CPU per request"),
    ("long.total", "100 000 orders: total time"),
    ("memory.long", "100 000 orders: peak memory"),
]
TITLE = "Cost as a multiple of a plain nginx proxy"
SUBTITLE = "Multiples of nginx with kept connections (1, bold line); lower is better; logarithmic scale."
WIDTH, LEFT, RIGHT = 800, 190, 70
HEAD, PANEL_HEAD, BAR, GAP, FOOT = 62, 28, 20, 14, 16

STYLE = """
  svg { --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --grid: #d1d9e0; --own: #0757ba; --other: #8c959f; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #0d1117; --ink: #f0f6fc; --soft: #9198a1; --grid: #3d444d; --own: #58a6ff; --other: #656c76; }
  }
  text { font: 14px system-ui, sans-serif; fill: var(--ink); }
  .title { font-size: 18px; font-weight: 600; }
  .panel { font-weight: 600; }
  .soft { fill: var(--soft); font-size: 13px; }
  .paper { fill: var(--paper); }
  .grid { stroke: var(--grid); }
  .hop { stroke: var(--ink); stroke-width: 1.5; }
  .own { fill: var(--own); }
  .other { fill: var(--other); }
"""


class Scale:
    """Maps a ratio to a horizontal position."""

    def __init__(self, values: list[float]):
        steps = [mantissa * 10.0**power for power in range(-3, 5) for mantissa in (1, 2, 5)]
        least, most = min([1.0, *values]), max([2.0, *values])
        self.first = max(step for step in steps if step <= least)
        self.last = min(step for step in steps if step >= most)
        self.ticks = [step for step in steps if self.first <= step <= self.last]

    def __call__(self, value: float) -> float:
        share = math.log(value / self.first) / math.log(self.last / self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def svg(figures: Figures) -> str:
    panels = [(title, bars(figures, metric)) for metric, title in PANELS]
    panels = [(title, values) for title, values in panels if values]
    scale = Scale([value for _, values in panels for value in values.values()])
    parts, top = [], HEAD
    for title, values in panels:
        parts += panel(title, values, scale, top)
        top += PANEL_HEAD + BAR * len(values) + GAP
    height = top + FOOT
    return "\n".join([*head(panels, height), *parts, *axis(scale, top + 6), "</svg>", ""])


def bars(figures: Figures, metric: str) -> dict[str, float]:
    """Median ratio of each server that was measured."""
    ratios = {server: figures.ratios(metric, server) for server in figures.servers if server != HOP}
    return {server: statistics.median(values) for server, values in ratios.items() if values}


def head(panels: list[tuple[str, dict[str, float]]], height: int) -> list[str]:
    def describe(title: str, values: dict[str, float]) -> str:
        return f"{title}: " + ", ".join(f"{server} {ratio(value)}" for server, value in values.items())

    sentences = ". ".join(describe(title, values) for title, values in panels)
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        'aria-labelledby="title desc">',
        f'<title id="title">{TITLE}</title>',
        f'<desc id="desc">Multiples of nginx with kept connections; lower is better. {escape(sentences)}.</desc>',
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="16" y="28">{TITLE}</text>',
        f'<text class="soft" x="16" y="48">{SUBTITLE}</text>',
    ]


def axis(scale: Scale, top: int) -> list[str]:
    return [f'<text class="soft" x="{scale(tick):.1f}" y="{top}" text-anchor="middle">{tick:g}</text>' for tick in scale.ticks]


def grid(scale: Scale, top: int, bottom: int) -> list[str]:
    def line(tick: float) -> str:
        x = f"{scale(tick):.1f}"
        return f'<line class="{"hop" if tick == 1 else "grid"}" x1="{x}" x2="{x}" y1="{top}" y2="{bottom}"/>'

    return [line(tick) for tick in scale.ticks]


def panel(title: str, values: dict[str, float], scale: Scale, top: int) -> list[str]:
    first = top + PANEL_HEAD
    parts = [f'<text class="panel" x="16" y="{top + 16}">{title}</text>']
    parts += grid(scale, first - 4, first + BAR * len(values))
    for index, (server, value) in enumerate(values.items()):
        y = first + BAR * index
        left, right = sorted([scale(1), scale(value)])
        kind = "own" if server == GATEWAY else "other"
        parts += [
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(server)}</text>',
            f'<rect class="{kind}" x="{left:.1f}" y="{y}" width="{max(right - left, 1):.1f}" height="{BAR - 4}"/>',
            f'<text x="{right + 6:.1f}" y="{y + 13}">{ratio(value)}</text>',
        ]
    return parts
