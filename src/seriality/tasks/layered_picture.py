"""Pictures of circuits: of two halves of wires changed in turn by layers of gates, and of values by layer."""

from collections.abc import Sequence
from html import escape

STEP, ROW, RADIUS = 84, 44, 12
MOST_GATES = 40
"""The most gates that a picture shows; of larger circuits there is none."""
MOST_VALUES = 1000
"""The most gates whose values a map of them shows."""


def layered_picture(
    wires: Sequence[str],
    inputs: Sequence[str],
    layers: Sequence[Sequence[tuple[int, int, int, str, str]]],
    *,
    wide: bool,
) -> str | None:
    """An SVG of wires from left to right, a column for each layer.

    A gate is (target, first operand, second operand, name, value), wires being numbers. Lines lead to it from
    its operands, as they stand before its layer or (`wide`) at the start.
    """
    if sum(map(len, layers)) > MOST_GATES or len(wires) > MOST_GATES:
        return None
    width, height = 80 + STEP * (len(layers) + 1), ROW * (len(wires) + 1)
    x = [64 + STEP * column for column in range(len(layers) + 1)]
    y = [30 + ROW * row + (ROW // 2 if row >= len(wires) // 2 else 0) for row in range(len(wires))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11" text-anchor="middle">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for row, name in enumerate(wires):
        parts.append(f'<path d="M{x[0]} {y[row]}H{width - 20}" stroke="#bbb"/>')
        parts.append(f'<text x="24" y="{y[row] + 4}">{escape(name)}</text>')
    lines, discs = [], [(x[0], y[row], value) for row, value in enumerate(inputs)]
    for column, layer in enumerate(layers, 1):
        start = x[0] if wide else x[column - 1]
        for target, first, second, name, value in layer:
            for operand in (first, second):
                lines.append(f"M{start} {y[operand]}L{x[column]} {y[target]}")
            discs.append((x[column], y[target], value))
            parts.append(f'<text x="{x[column]}" y="{y[target] + 23}" font-size="9">{escape(name)}</text>')
    parts.append(f'<path d="{"".join(lines)}" stroke="#36c" fill="none" stroke-opacity="0.5"/>')
    for cx, cy, value in discs:
        parts.append(f'<circle cx="{cx}" cy="{cy}" r="{RADIUS}" fill="#fff" stroke="#333"/>')
        parts.append(f'<text x="{cx}" y="{cy + 4}">{escape(value)}</text>')
    return "".join([*parts, "</svg>"])


def value_map(kinds: Sequence[str], values: Sequence[Sequence[int]]) -> str | None:
    """An SVG with a column for each layer, named by its kind, and a square for each gate: full if it is 1."""
    if sum(map(len, values)) > MOST_VALUES:
        return None
    column, row = 26, 9
    width, height = column * len(values) + 12, row * max(map(len, values)) + 40
    squares: dict[int, list[str]] = {0: [], 1: []}
    names = []
    for place, (kind, layer) in enumerate(zip(kinds, values, strict=True)):
        x = 6 + column * place
        names.append(f'<text x="{x + 10}" y="14">{escape(kind)}</text>')
        names.append(f'<text x="{x + 10}" y="{height - 6}">{place}</text>')
        for i, value in enumerate(layer):
            squares[value].append(f"M{x + 6} {22 + row * i}h8v7h-8z")
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="sans-serif" font-size="9" text-anchor="middle">',
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            *names,
            f'<path d="{"".join(squares[0])}" fill="none" stroke="#bbb"/>',
            f'<path d="{"".join(squares[1])}" fill="#c40"/></svg>',
        ]
    )
