"""
Twelve programs in pure Python, in the manner of pyperformance's: what interpreters are compared by.

Run as they are by the native Python and inside a plug-in, so nothing of the house is imported. Each returns
something that depends on all of its work. The sizes take a native Python some 50 to 150 ms.
"""

import collections
import heapq
import itertools
import json
import math
import pickle
import random
import re
import string


def nbody():
    """Five bodies under gravity: floats in lists."""
    bodies = [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 39.47],
        [4.84, -1.16, -0.10, 0.6, 2.81, -0.02, 0.037],
        [8.34, 4.12, -0.4, -1.01, 1.82, 0.008, 0.011],
        [12.89, -15.11, -0.22, 1.08, 0.86, -0.01, 0.0017],
        [15.37, -25.91, 0.17, 0.97, 0.59, -0.034, 0.002],
    ]
    pairs = list(itertools.combinations(bodies, 2))
    step = 0.01
    for _ in range(6000):
        for one, two in pairs:
            dx, dy, dz = one[0] - two[0], one[1] - two[1], one[2] - two[2]
            force = step / (dx * dx + dy * dy + dz * dz) ** 1.5
            mine, theirs = two[6] * force, one[6] * force
            one[3] -= dx * mine
            one[4] -= dy * mine
            one[5] -= dz * mine
            two[3] += dx * theirs
            two[4] += dy * theirs
            two[5] += dz * theirs
        for body in bodies:
            body[0] += step * body[3]
            body[1] += step * body[4]
            body[2] += step * body[5]
    return sum(map(sum, bodies))


def fannkuch():
    """All permutations of eight, each turned over until 0 is in front: small ints, slices."""
    most = checksum = 0
    for number, order in enumerate(itertools.permutations(range(8))):
        row, flips = list(order), 0
        while first := row[0]:
            row[: first + 1] = row[first::-1]
            flips += 1
        most = max(most, flips)
        checksum += -flips if number & 1 else flips
    return most, checksum


class Task:
    """A task of the scheduler below: it works on packets and hands them on."""

    def __init__(self, name, rank, after):
        self.name, self.rank, self.after = name, rank, after
        self.waiting, self.done, self.is_held = [], 0, False

    def take(self, packet):
        self.waiting.append(packet)

    def is_ready(self):
        return bool(self.waiting) and not self.is_held

    def run(self, tasks):
        packet = self.waiting.pop(0)
        packet[self.rank % len(packet)] += self.done & 7
        self.done += 1
        self.is_held = self.done % 5 == 0
        tasks[self.after].take(packet)


class Device(Task):
    """A task that lets go of another one each time it runs."""

    def run(self, tasks):
        super().run(tasks)
        for task in tasks.values():
            task.is_held = False
        self.is_held = False


def richards():
    """A scheduler of tasks: method calls and attributes."""
    names = [f"task {number}" for number in range(6)]
    tasks = {
        name: (Device if number % 2 else Task)(name, number, names[(number + 1) % 6])
        for number, name in enumerate(names)
    }
    for number in range(24):
        tasks[names[number % 6]].take([number, 1, 2, 3])
    turns = 0
    while turns < 60000:
        for task in tasks.values():
            if task.is_ready():
                task.run(tasks)
            turns += 1
    return sum(task.done for task in tasks.values()), turns


class Variable:
    """A value that constraints hang on."""

    __slots__ = ("constraints", "stay", "value")

    def __init__(self, value):
        self.value, self.stay, self.constraints = value, 0, []


class Scaled:
    """Holds `target = source * scale + offset`, in one direction."""

    def __init__(self, source, target, scale, offset):
        self.source, self.target, self.scale, self.offset = source, target, scale, offset
        source.constraints.append(self)

    def execute(self):
        value = self.source.value * self.scale + self.offset
        self.target.value = value % 1000003
        self.target.stay = max(self.target.stay, self.source.stay + 1)
        return self.target


def deltablue():
    """Constraints in a chain and a fan, solved again after each change: objects that point at others."""
    chain = [Variable(number) for number in range(300)]
    for one, two in itertools.pairwise(chain):
        Scaled(one, two, 1, 1)
    for leaf in [Variable(0) for _ in range(300)]:
        Scaled(chain[-1], leaf, 10, 7)
    total = 0
    for start in range(100):
        chain[0].value = start
        work = collections.deque([chain[0]])
        while work:
            for constraint in work.popleft().constraints:
                work.append(constraint.execute())
        total += chain[-1].value + chain[-1].constraints[-1].target.value
    return total


RECORD = {
    "id": 12345,
    "name": 'a name with "quotes" and ünicode',
    "tags": ["red", "green", "blue"] * 5,
    "points": [[number, number / 7, -number] for number in range(40)],
    "nested": {f"key {number}": {"flag": number % 2 == 0, "none": None} for number in range(30)},
}


def json_both_ways():
    """A record of 3 KB to text and back."""
    size = 0
    for number in range(500):
        RECORD["id"] = number
        text = json.dumps(RECORD)
        size += len(text) + len(json.loads(text)["points"])
    return size


def regex():
    """Patterns over a text of 40 KB: alternatives, groups, back references."""
    words = ["alpha", "beta7", "x@example.org", "2024-02-29", "<b>bold</b>", "tail--", "aa bb aa"]
    text = " ".join(words[number * 7919 % 7] + str(number) for number in range(3000))
    patterns = (
        r"\w+@\w+\.\w+",
        r"(\d{4})-(\d\d)-(\d\d)",
        r"<(\w+)>.*?</\1>",
        r"(?:alpha|beta|gamma)\d*",
        r"\b(\w\w) \w\w \1",
        r"[^a-z ]{3,}",
    )
    found = [len(re.findall(pattern, text)) for pattern in patterns]
    return found, len(re.sub(r"(\w)(\d)", r"\2\1", text))


class Point:
    """Something with attributes, to be pickled."""

    def __init__(self, x, y):
        self.x, self.y = x, y


def pickle_both_ways():
    """Objects, dicts and texts through pickle and back."""
    data = [
        {"point": Point(number, -number), "text": f"text {number}", "row": list(range(number % 9))}
        for number in range(400)
    ]
    size = 0
    for protocol in (2, 5) * 12:
        packed = pickle.dumps(data, protocol)
        size += len(packed) + pickle.loads(packed)[-1]["point"].x
    return size


def spectral_norm():
    """Matrix times vector without a matrix: calls of small functions."""

    def cell(row, column):
        return 1.0 / ((row + column) * (row + column + 1) // 2 + row + 1)

    def times(vector, place):
        size = len(vector)
        return [
            sum(place(row, column) * vector[column] for column in range(size))
            for row in range(size)
        ]

    def turned(row, column):
        return cell(column, row)

    vector = [1.0] * 70
    for _ in range(9):
        last, vector = vector, times(times(vector, cell), turned)
    dot = sum(one * two for one, two in zip(last, vector, strict=True))
    return math.sqrt(dot / sum(one * one for one in last))


class Vector:
    """Three floats with arithmetic."""

    __slots__ = ("x", "y", "z")

    def __init__(self, x, y, z):
        self.x, self.y, self.z = x, y, z

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y, self.z + other.z)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y, self.z - other.z)

    def __mul__(self, factor):
        return Vector(self.x * factor, self.y * factor, self.z * factor)

    def dot(self, other):
        return self.x * other.x + self.y * other.y + self.z * other.z

    def unit(self):
        return self * (1.0 / math.sqrt(self.dot(self)))


class Sphere:
    """What a ray may meet."""

    def __init__(self, center, radius):
        self.center, self.radius = center, radius

    def meets(self, origin, direction):
        to_center = self.center - origin
        along = to_center.dot(direction)
        rest = self.radius**2 - to_center.dot(to_center) + along * along
        return along - math.sqrt(rest) if rest > 0 else None


def raytrace():
    """A picture of four spheres with shades: operators of objects."""
    spheres = [Sphere(Vector(x, y, 6 + x), 1.0) for x, y in ((-1, 0), (1, 0.5), (0, -1), (2, 2))]
    light = Vector(5, 5, -5)
    eye, total = Vector(0, 0, 0), 0.0
    for row in range(48):
        for column in range(64):
            direction = Vector(column / 32 - 1, 1 - row / 24, 2).unit()
            hits = [(far, each) for each in spheres if (far := each.meets(eye, direction))]
            if hits:
                far, sphere = min(hits, key=lambda hit: hit[0])
                place = direction * far
                normal = (place - sphere.center).unit()
                total += max(0.0, normal.dot((light - place).unit()))
    return round(total, 9)


def templating():
    """A page of a table's rows, three ways of formatting: strings."""
    row = string.Template("<tr><td>$name</td><td>${amount}</td></tr>")
    size = 0
    for page in range(12):
        parts = []
        for number in range(250):
            name, amount = f"Item {number:04d}", f"{number * 1.19 + page:,.2f}"
            parts.append(row.substitute(name=name, amount=amount))
            parts.append("{0:>10}|{1:^12}|{0}".format(number, name))
            parts.append("%-8s=%6.2f;" % (name[:6], number / 3))
        text = "\n".join(parts).replace("&", "&amp;").title()
        size += len(text) + text.count("<Td>") + len(text.split("|"))
    return size


def sorting_and_dicts():
    """Records sorted by several keys, counted and grouped."""
    chance = random.Random(7)
    records = [
        (chance.randrange(50), chance.random(), f"n{chance.randrange(900)}") for _ in range(9000)
    ]
    groups = collections.defaultdict(list)
    for kind, weight, name in records:
        groups[kind, name[-1]].append(weight)
    counts = collections.Counter(name for _, _, name in records)
    ordered = sorted(records, key=lambda record: (record[2], -record[1]))
    best = heapq.nsmallest(50, records, key=lambda record: record[1])
    joined = {name: sum(map(len, (name, *pair))) for name, *pair in zip(counts, counts, counts)}
    totals = sorted(((sum(values), key) for key, values in groups.items()), reverse=True)
    return ordered[17], best[3], counts.most_common(1), totals[0], sum(joined.values())


def tree(depth):
    """Return a binary tree of pairs."""
    return (tree(depth - 1), depth, tree(depth - 1)) if depth else None


def walk(node):
    """Yield what is in a tree, in order."""
    if node:
        yield from walk(node[0])
        yield node[1]
        yield from walk(node[2])


def generators():
    """Trees walked by generators within generators; a pipeline of them."""
    total = sum(sum(walk(tree(10))) for _ in range(6))
    numbers = (number * number for number in itertools.count())
    odd = (number for number in numbers if number & 1)
    return total, sum(itertools.islice(odd, 60000))


PROGRAMS = {
    "nbody": nbody,
    "fannkuch": fannkuch,
    "richards": richards,
    "deltablue": deltablue,
    "json": json_both_ways,
    "regex": regex,
    "pickle": pickle_both_ways,
    "spectral norm": spectral_norm,
    "raytrace": raytrace,
    "templating": templating,
    "sorting and dicts": sorting_and_dicts,
    "generators": generators,
}
