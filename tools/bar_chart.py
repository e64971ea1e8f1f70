# SPDX-License-Identifier: GPL-3.0-or-later
"""A bar chart as SVG text, readable on light and on dark pages."""
from html import escape

ROW, TOP, NAME_WIDTH, PLOT_WIDTH, WIDTH = 26, 64, 330, 300, 960
LARGEST = 2.5  # bars beyond it are cut off and end in an arrow

STYLE = """<style>
  text { font: 13px sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: bold; }
  .reached { fill: #2f6fbd; }
  .missed { fill: #c8641b; }
  .wanted { stroke: #1f2328; stroke-width: 1.5; stroke-dasharray: 4 3; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .reached { fill: #6cb0ff; }
    .missed { fill: #f0a060; }
    .wanted { stroke: #e6edf3; }
  }
</style>"""


def bar_chart(title, bars):
    """`bars` are (name, score, text): a score of 1 is the wanted line, more is better."""
    scale, height = PLOT_WIDTH / LARGEST, TOP + ROW * len(bars) + 12
    line = NAME_WIDTH + scale
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}" role="img">', STYLE, f"<title>{escape(title)}</title>",
             f'<text class="title" x="8" y="22">{escape(title)}</text>',
             f'<text x="{line:.1f}" y="46" text-anchor="middle">wanted; longer is better</text>']
    for number, (name, score, text) in enumerate(bars):
        top, length = TOP + ROW * number, min(score, LARGEST) * scale
        kind = "reached" if score >= 1 else "missed"
        parts.append(f'<text x="{NAME_WIDTH - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="{kind}" x="{NAME_WIDTH}" y="{top}" width="{length:.1f}" height="18"/>')
        end = NAME_WIDTH + length
        if score > LARGEST:
            parts.append(f'<path class="{kind}" d="M{end:.1f} {top - 3} l12 12 l-12 12 z"/>')
        said = text if score >= 1 else text + ": not reached"
        parts.append(f'<text x="{max(end, line) + 18:.1f}" y="{top + 14}">{escape(said)}</text>')
    parts.append(f'<line class="wanted" x1="{line:.1f}" y1="52" x2="{line:.1f}" y2="{height - 8}"/>')
    return "\n".join(parts) + "\n</svg>\n"
