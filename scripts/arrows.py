# Copyright (c) 2026 intake.vms contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways of arrows between boxes on a grid: along its lines, around every box, no two on one line, with few bends and crossings."""

from __future__ import annotations

import heapq
from typing import NamedTuple

UP = (0, -1)
TURNS = {(0, 1): ((1, 0), (-1, 0)), (0, -1): ((1, 0), (-1, 0)), (1, 0): ((0, 1), (0, -1)), (-1, 0): ((0, 1), (0, -1))}
BEND, CROSSING, SIDE, ASKEW = 5, 8, 4, 2  # what they cost beside the 1 of each step; SIDE where it leaves or meets a box not at bottom or top
MARGIN = 3  # of the grid beyond the last box
PASSES = 4  # each arrow is drawn again, knowing where the later ones went


class Box(NamedTuple):
    """A rectangle on the grid."""

    x: int
    y: int
    width: int
    height: int

    def inside(self):
        """Its points that no arrow may pass, its edge among them."""
        return {(x, y) for x in range(self.x, self.x + self.width + 1) for y in range(self.y, self.y + self.height + 1)}

    def ports(self):
        """[(point, way out, cost)]: the points of its edge that are no corners, cheaper the nearer they are to the middle."""
        bottom, right = self.y + self.height, self.x + self.width
        across = [(x, ASKEW * abs(2 * (x - self.x) - self.width) / self.width) for x in range(self.x + 1, right)]
        along = [(y, SIDE + ASKEW * abs(2 * (y - self.y) - self.height) / self.height) for y in range(self.y + 1, bottom)]
        ends = [((x, y), (0, way), cost) for x, cost in across for y, way in ((self.y, -1), (bottom, 1))]
        return ends + [((x, y), (way, 0), cost) for y, cost in along for x, way in ((self.x, -1), (right, 1))]


def ways(edges, boxes):
    """{(from, to): points} of every arrow, in the order of `edges`; the corners of its way, the first and last on the edges of the boxes."""
    found = {}
    near = sorted(edges, key=lambda edge: (distance(boxes[edge[0]], boxes[edge[1]]), edge))
    for _pass in range(PASSES):
        for edge in near:
            others = [way for other, way in found.items() if other != edge]
            found[edge] = shortest(boxes[edge[0]], boxes[edge[1]], blocked(edge, boxes), others)
    return {edge: corners(found[edge]) for edge in edges}


def distance(one, other):
    """How far two boxes are apart, the horizontal gap counting more."""
    gap = max(one.x - other.x - other.width, other.x - one.x - one.width, 0)
    return 3 * gap + abs(one.y - other.y)


def blocked(edge, boxes):
    """The points of all boxes but those that hold an end of the arrow, and of a fence around everything."""
    ends = [boxes[name] for name in edge]
    walls = [box for box in boxes.values() if not any(end.inside() < box.inside() for end in ends)]
    right, bottom = max(box.x + box.width for box in boxes.values()) + MARGIN, max(box.y + box.height for box in boxes.values()) + MARGIN
    fence = Box(-1, -1, right, bottom).inside() - Box(0, 0, right - 2, bottom - 2).inside()
    return fence.union(*(box.inside() for box in walls))


def shortest(start, goal, walls, others):
    """The cheapest way from one box to another, every point of it. Raises ValueError where there is none."""
    taken = {frozenset(step) for way in others for step in zip(way, way[1:])}
    straight, bent = occupied(others)
    goals = {point: (way, cost) for point, way, cost in goal.ports() if point not in bent | straight}
    queue = [(cost, point, way, ()) for point, way, cost in start.ports() if point not in bent | straight and way != UP]
    heapq.heapify(queue)
    seen = set()
    while queue:
        cost, point, way, before = heapq.heappop(queue)
        if point in goals:
            return (*before, point)
        if (point, way) in seen:
            continue
        seen.add((point, way))
        after = (point[0] + way[0], point[1] + way[1])
        if frozenset((point, after)) in taken or after in bent:
            continue
        if after in goals and goals[after][0] == (-way[0], -way[1]):
            heapq.heappush(queue, (cost + 1 + goals[after][1], after, way, (*before, point)))
        elif after not in walls and after not in goals:
            for turn, more in turns(way, after in straight):
                heapq.heappush(queue, (cost + 1 + more, after, turn, (*before, point)))
    raise ValueError("no way is left for an arrow; the boxes stand too near to each other")


def turns(way, is_crossing):
    """[(way on from a point, what it costs)]; across another arrow it goes straight."""
    return [(way, CROSSING)] if is_crossing else [(way, 0), *((turn, BEND) for turn in TURNS[way])]


def occupied(others):
    """(points that other arrows go straight through, points where they bend or end)."""
    bent = {point for way in others for point in corners(way)}
    return {point for way in others for point in way} - bent, bent


def corners(way):
    """The ends of a way, and where it bends: there the points before and after differ in both numbers."""
    bends = [here for before, here, after in zip(way, way[1:], way[2:]) if before[0] != after[0] and before[1] != after[1]]
    return [way[0], *bends, way[-1]]
