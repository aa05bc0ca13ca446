"""Greedy schedules: how many steps a computation takes on p processors, one operation a processor and step.

A computation is a directed acyclic graph with `work` nodes and a longest path of `span` nodes. No schedule on
p processors takes fewer than max(span, ceil(work / p)) steps, and one that leaves no processor idle while
something is ready takes at most work / p + span (Graham 1966; Brent 1974). Of what is ready those with the
longest path still ahead go first, as in Hu (1961), which is optimal for in-trees.
"""

import heapq
from collections.abc import Sequence


def greedy_steps(reads: Sequence[Sequence[int]], processors: int) -> int:
    """The steps of the greedy schedule. `reads[i]` are the operations, all before i, that i waits for.

    >>> chain, wide = [[], [0], [1], [2]], [[], [], [], []]
    >>> greedy_steps(chain, 4), greedy_steps(wide, 4), greedy_steps(wide, 1)
    (4, 1, 4)
    """
    if processors < 1:
        raise ValueError(f"processors is {processors}, allowed is 1 or more, such as 4")
    if late := [i for i, before in enumerate(reads) if any(not 0 <= j < i for j in before)]:
        raise ValueError(
            f"operation {late[0]} reads {list(reads[late[0]])}, allowed are operations before it"
        )
    readers: list[list[int]] = [[] for _ in reads]
    for i, before in enumerate(reads):
        for j in set(before):
            readers[j].append(i)
    ahead = [1] * len(reads)
    for i in reversed(range(len(reads))):
        ahead[i] += max((ahead[j] for j in readers[i]), default=0)
    waits = [len(set(before)) for before in reads]
    ready = [(-ahead[i], i) for i, count in enumerate(waits) if not count]
    heapq.heapify(ready)
    steps = 0
    while ready:
        now = [heapq.heappop(ready)[1] for _ in range(min(processors, len(ready)))]
        for j in (j for i in now for j in readers[i]):
            waits[j] -= 1
            if not waits[j]:
                heapq.heappush(ready, (-ahead[j], j))
        steps += 1
    return steps
