"""Second implementation of how normal slices are drawn to match the malignant ones' heights, for one series.

From docs/prepare.md: the chest is cut into bins of equal height; each bin's candidates are shuffled; every malignant slice
asks its own bin for a normal one, then what is missing is drawn from the nearest bins. Each pick has up to three
alternates, for when no lung is found in it.
"""
from seed_twin import MersenneTwister64, derive_seed

BINS = 20
ALTERNATES = 3


class Bins:
    def __init__(self, candidates, seed, split):
        """candidates: (height in 0..1, slice), ascending."""
        self.lists = [[] for _ in range(BINS)]
        for height, item in candidates:
            self.lists[bin_of(height)].append(item)
        for index, items in enumerate(self.lists):
            MersenneTwister64(derive_seed(seed, "normals/" + split, 0, 0, index)).shuffle(items)
        self.lists = [items[::-1] for items in self.lists]  # pop() takes the first

    def draw_here(self, index):
        return self.lists[index].pop() if self.lists[index] else None

    def draw(self, index):
        """From this bin or the nearest that has one left, the lower first."""
        order = sorted(range(BINS), key=lambda other: (abs(other - index), other))
        return next((self.draw_here(other) for other in order if self.lists[other]), None)


def bin_of(height):
    return min(int(max(0.0, height) * BINS), BINS - 1)


def draw_normals(malignant, candidates, seed=1, split="test"):
    """Lists of a slice and its alternates. malignant: heights of the malignant slices."""
    bins = Bins(candidates, seed, split)
    wanted = [sum(bin_of(height) == index for height in malignant) for index in range(BINS)]
    picks = []
    for draw in (bins.draw_here, bins.draw):
        for index in range(BINS):
            while wanted[index] > 0 and (item := draw(index)) is not None:
                wanted[index] -= 1
                picks.append((index, [item]))
    for _ in range(ALTERNATES):
        for index, items in picks:
            if (item := bins.draw(index)) is not None:
                items.append(item)
    return [items for _, items in picks]
