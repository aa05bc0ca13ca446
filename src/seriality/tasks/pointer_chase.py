"""Following pointers: where is one after k hops?

Every node of a table points to one node; the answer is the node after k hops from a start, the trace every
node on the way. The hops are given in unary and each is labelled with the node it leads to.

This stands between serial and parallel. Doubling (f, f², f⁴, …: Wyllie 1979) takes ⌈log2 k⌉ rounds where
walking takes k, and no constant depth is known to do. To compute the k-th successor is complete for L
(logarithmic space) under AC0 reductions: walking needs a node and a counter; and for hardness, in a line
that is given by its successors, "u comes before v" is complete for L (Etessami 1997) and compares two
numbers of hops from the first node, of which all can be asked for at once. A line closed to a ring is one
cycle. As NC1 ⊆ L ⊆ AC1, there is no constant depth if TC0 ≠ L (so if TC0 ≠ NC1), and logarithmic depth
suffices. The akin task of k-hop induction heads is computed by a Transformer of ⌊log2 k⌋ + 2 layers, and
needs Ω(log k), if the one-or-two-cycles conjecture of massively parallel computation holds, where width
times heads is O(k^(1−ε)) (Theorem 4.2 and Corollary 4.3 of Sanford, Hsu & Telgarsky 2024).

`graph="cycle"`: the pointers are one cycle through all nodes, uniformly drawn. So no walk comes back early,
after any number of hops below n one is at any node but the start with equal chance, and the hops known so
far tell nothing of the next but that it is new. (In a random permutation the start would lie on a cycle of
at most k nodes with probability k / n.) k hops forward are n − k backward, so at most half of the nodes are
walked. `graph="function"`: pointers drawn independently. A walk then runs into itself after about √(πn/2)
hops (Flajolet & Odlyzko 1990), and nodes that many others point to are better guesses: longer walks are not
deeper. `graph="list"` is the control: the same prompts as of "cycle", read as the nodes in their order on a
ring. The answer stands k places after the start: one search, one sum, one lookup.

What this task does not show: anything beyond L. It is serial for constant depth and no further; and at a
fixed number of nodes the tables are finitely many, so hardness needs `nodes` to grow with `hops`.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from ..cost import Cost
from ..instance import PAD, QUERY, UNASKED, Format
from .base import (
    FIRST,
    SPECIAL,
    AbstractTask,
    integer_fault,
    lay_out,
    line_after,
    lookup,
    refuse,
    uniform,
)
from .texts import arrow_values, arrows_text, cycle_length, same_text, whole_number

GRAPHS = ("cycle", "function", "list")
MOST_DRAWN = 64
"""The most nodes of a picture."""


@dataclass(frozen=True)
class PointerChase(AbstractTask):
    """Up to `hops` hops among `nodes` nodes, at least twice as many. Depth is the hops.

    `graph` is "cycle" (one cycle through all nodes), "function" (independent pointers) or "list" (the nodes
    in order: the control). `resized` adds nodes where there would be too few.

    >>> PointerChase(hops=8, nodes=32).cost()
    Cost(work=159, span=7)
    """

    hops: int = 8
    nodes: int = 32
    graph: str = "cycle"

    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        faults = integer_fault("hops", self.hops, 1, 8) + integer_fault("nodes", self.nodes, 2, 32)
        if not faults and 2 * self.hops > self.nodes:
            faults.append(
                f"hops={self.hops}, nodes={self.nodes}: must be at most half of the nodes, since a cycle is "
                f"then shorter backwards; allowed are hops=1..{self.nodes // 2} or nodes={2 * self.hops}"
            )
        if self.graph not in GRAPHS:
            faults.append(f"graph={self.graph!r}: must be one of {', '.join(GRAPHS)}; e.g. graph='cycle'")
        refuse("PointerChase", faults)

    @property
    def other_values(self) -> dict[str, object]:
        hops = self.hops + 1 if 2 * self.hops + 2 <= self.nodes else max(1, self.hops - 1)
        return {"hops": hops, "graph": "cycle" if self.graph == "list" else "list"}

    @property
    def guess_rate(self) -> float:
        """Exact: no node is told from another before the table is drawn."""
        return 1 / self.nodes

    @cached_property
    def format(self) -> Format:
        return Format(
            tokens=(*SPECIAL, *map(str, range(self.nodes)), "HOP"),
            prompt_length=self.nodes + 1 + self.hops + 1,
            trace_length=self.hops,
            answer_length=1,
        )

    @property
    def max_depth(self) -> int:
        return self.hops

    def resized(self, max_depth: int) -> "PointerChase":
        return replace(self, hops=max_depth, nodes=max(self.nodes, 2 * max_depth))

    @property
    def control(self) -> "PointerChase | None":
        """The nodes in their order; None if this task is that."""
        return None if self.graph == "list" else replace(self, graph="list")

    def distinct(self, depth: int) -> int:
        """n^(n + 1) functions with a start, n! cycles; at least, since large numbers are of no use."""
        n = self.nodes
        return n ** min(n + 1, 16) if self.graph == "function" else math.factorial(min(n, 20))

    def leading(self, depth: int) -> int:
        return self.nodes + 1

    def lineage(self, prompt: Int[Array, "batch prompt_length"], depth: int) -> Int[Array, "batch tokens"]:
        """The table: a walk holds those from every node on its way."""
        return prompt[:, : self.nodes]

    def draw(self, depth: Int[Array, ""], *, key: Key[Array, ""]):
        n = self.nodes
        if self.graph == "function":
            drawn = uniform(np.full(n + 1, n), key=key)
            start, table = drawn[0], drawn[1:]
        else:
            order = jnp.argsort(jax.random.bits(key, (n,)))  # the cycle, from its start
            start, table = order[0], jnp.zeros_like(order).at[order].set(jnp.roll(order, -1))
        start, table = start + FIRST, table + FIRST
        _, walk = jax.lax.scan(self._hop(table), start, length=self.hops)
        within = jnp.arange(self.hops) < depth
        answer = lookup(walk, depth - 1)[None]
        fields = jnp.concatenate([table, start[None], jnp.where(within, jnp.int32(self._hop_token), PAD)])
        labels = jnp.concatenate(
            [jnp.full(n + 1, UNASKED, answer.dtype), jnp.where(within, walk, UNASKED), answer]
        )
        return lay_out(fields, 1), labels, jnp.where(within, walk, PAD), answer

    def reference(self, prompt: Int[Array, " prompt_length"]) -> Int[Array, " answer_length"]:
        n = self.nodes
        table, start, steps = prompt[:n], prompt[n], prompt[n + 1 : n + 1 + self.hops]
        hops = jnp.sum(steps == self._hop_token)
        if self.graph == "list":
            place = jnp.argmax(table == start)
            return lookup(jnp.concatenate([table, table]), place + hops)[None]
        special = jnp.arange(FIRST, dtype=table.dtype)  # so that tokens are places
        stay = jnp.arange(FIRST + n, dtype=table.dtype)

        def double(state, bit: Int[Array, ""]):
            node, jump = state
            return (lookup(jnp.stack([stay, jump]), bit, node), lookup(jump, jump)), None

        first = (start, jnp.concatenate([special, table]))
        (node, _), _ = jax.lax.scan(double, first, lookup(self._bits, hops))
        return node[None]

    def cost(self) -> Cost:
        """Count the hops; then their bits, and for each a lookup of the node and one of every jump. Or find
        the start, add, look up."""
        n, k = self.nodes, self.hops
        if self.graph == "list":
            return Cost(work=2 * k - 1 + 2 * n - 1 + 2, span=4)
        rounds = k.bit_length()
        return Cost(work=2 * k - 1 + rounds * (1 + 1 + n + FIRST), span=2 + (k > 1) + rounds)

    def render(self, prompt: Int[np.ndarray, " prompt_length"]) -> str:
        n = self.nodes
        table = (prompt[:n] - FIRST).tolist()
        if self.graph == "list":
            says = (
                f"The nodes 0 to {n - 1} stand on a ring; each points to the next, and the last to the first."
            )
            data = f"Order: {' '.join(map(str, table))}"
        else:
            says = f"Each of the nodes 0 to {n - 1} points to one node."
            data = f"Pointers: {arrows_text(self._nodes, table)}"
        return "\n".join(
            [
                f"{says} A hop goes from a node to the one it points to.",
                data,
                f"Start: {prompt[n] - FIRST}",
                f"Hops: {int(np.sum(prompt == self._hop_token))}",
                "At which node does one arrive after all hops? Answer with the number of the node alone.",
            ]
        )

    def parse(self, text: str) -> Int[np.ndarray, " prompt_length"]:
        n = self.nodes
        if self.graph == "list":
            table = [whole_number(word, 0, n - 1, "node") for word in line_after(text, "Order").split()]
            if sorted(table) != list(range(n)):
                raise ValueError(f"{len(table)} nodes are listed; must be all {n}, each once")
        else:
            table = arrow_values(line_after(text, "Pointers"), self._nodes, n - 1, "pointers")
        if self.graph == "cycle" and cycle_length(table) != n:
            raise ValueError(
                f"the pointers from node 0 come back after {cycle_length(table)} hops, must be {n}"
            )
        start = whole_number(line_after(text, "Start"), 0, n - 1, "node")
        hops = whole_number(line_after(text, "Hops"), 1, self.hops, "hops")
        steps = [self._hop_token] * hops + [PAD] * (self.hops - hops)
        prompt = np.array([*(node + FIRST for node in (*table, start)), *steps, QUERY], np.int32)
        same_text(text, self.render(prompt))
        return prompt

    def picture(
        self,
        prompt: Int[np.ndarray, " prompt_length"],
        trace: Int[np.ndarray, " trace_length"],
        answer: Int[np.ndarray, " answer_length"],
    ) -> str | None:
        """The nodes on a ring by number, all pointers in grey, the walk in blue with its hops numbered."""
        n = self.nodes
        if n > MOST_DRAWN:
            return None
        table = prompt[:n] - FIRST
        if self.graph == "list":
            table = np.roll(table, -1)[np.argsort(table)]
        walk = [int(prompt[n] - FIRST), *(trace[trace != PAD] - FIRST).tolist()]
        turn = 2 * np.pi * np.arange(n) / n
        places = 200 + 170 * np.stack([np.sin(turn), -np.cos(turn)], axis=1)

        def arrow(start: int, end: int, style: str) -> str:
            if start == end:
                return ""
            (x, y), (u, v) = places[start], places[end]
            short = 11 / max(1.0, math.hypot(u - x, v - y))
            x, y, u, v = x + short * (u - x), y + short * (v - y), u - short * (u - x), v - short * (v - y)
            return f'<path d="M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" {style}/>'

        grey = [arrow(i, int(to), 'stroke="#ccc" marker-end="url(#g)"') for i, to in enumerate(table)]
        blue, numbers = [], []
        for i, (start, end) in enumerate(pairwise(walk), start=1):
            blue.append(arrow(start, end, 'stroke="#1667b7" stroke-width="1.8" marker-end="url(#b)"'))
            x, y = 0.6 * places[start] + 0.4 * places[end]
            numbers.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="#1667b7">{i}</text>')
        nodes = []
        for i, (x, y) in enumerate(places):
            fill = "#fdd" if i == walk[0] else "#cfe6cf" if i == walk[-1] else "#fff"
            nodes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="10" fill="{fill}" stroke="#555"/>')
            nodes.append(f'<text x="{x:.1f}" y="{y + 3.5:.1f}" fill="#222">{i}</text>')
        shape = 'viewBox="0 0 6 6" refX="5" refY="3" markerWidth="5" markerHeight="5" orient="auto"'
        tips = "".join(
            f'<marker id="{name}" {shape}><path d="M0 0L6 3L0 6z" fill="{colour}"/></marker>'
            for name, colour in (("g", "#ccc"), ("b", "#1667b7"))
        )
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" font-family="sans-serif" '
            f'font-size="10" text-anchor="middle"><defs>{tips}</defs>'
            '<rect width="400" height="400" fill="#fff"/>'
            f"{''.join(grey)}{''.join(blue)}{''.join(nodes)}{''.join(numbers)}</svg>"
        )

    @property
    def _hop_token(self) -> int:
        return FIRST + self.nodes

    @property
    def _nodes(self) -> list[str]:
        return [str(node) for node in range(self.nodes)]

    @cached_property
    def _bits(self) -> np.ndarray:
        """The bits of every number of hops, lowest first."""
        return (np.arange(self.hops + 1)[:, None] >> np.arange(self.hops.bit_length()) & 1).astype(np.int32)

    def _hop(self, table: Int[Array, " nodes"]):
        """The step of a walk, from token to token."""
        if self.graph == "list":
            table = jnp.zeros_like(table).at[table - FIRST].set(jnp.roll(table, -1))

        def hop(node: Int[Array, ""], _):
            node = lookup(table, node - FIRST)
            return node, node

        return hop
