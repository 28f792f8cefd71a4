"""A second implementation of core/support/seed.h; prints the values that tests/core/support/seed_test.cpp compares.

Mersenne Twister 19937-64 after Matsumoto and Nishimura's reference, SplitMix64 after Steele, Lea and Flood (2014),
FNV-1a after Fowler, Noll and Vo.
"""

import json
import math

MASK = (1 << 64) - 1


class MersenneTwister64:
    def __init__(self, seed):
        self.state = [seed & MASK]
        for i in range(1, 312):
            last = self.state[-1]
            self.state.append((6364136223846793005 * (last ^ (last >> 62)) + i) & MASK)
        self.index = 312

    def twist(self):
        for i in range(312):
            x = (self.state[i] & 0xFFFFFFFF80000000) | (self.state[(i + 1) % 312] & 0x7FFFFFFF)
            self.state[i] = self.state[(i + 156) % 312] ^ (x >> 1) ^ (0xB5026F5AA96619E9 if x & 1 else 0)
        self.index = 0

    def next(self):
        if self.index == 312:
            self.twist()
        x = self.state[self.index]
        self.index += 1
        x ^= (x >> 29) & 0x5555555555555555
        x ^= (x << 17) & 0x71D67FFFEDA60000
        x ^= (x << 37) & 0xFFF7EEE000000000
        return x ^ (x >> 43)

    def uniform(self):
        return (self.next() >> 11) / (1 << 53)

    def below(self, bound):
        largest = MASK - MASK % bound
        while True:
            value = self.next()
            if value < largest:
                return value % bound

    def normal(self):
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def shuffle(self, values):
        for i in range(len(values), 1, -1):
            j = self.below(i)
            values[i - 1], values[j] = values[j], values[i - 1]
        return values


def split_mix(counter):
    z = (counter + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def derive_seed(run_seed, purpose, epoch=0, rank=0, index=0):
    name = 0xCBF29CE484222325
    for byte in purpose.encode():
        name = ((name ^ byte) * 0x100000001B3) & MASK
    seed = split_mix(run_seed)
    for part in (name, epoch, rank, index):
        seed = split_mix(seed ^ part)
    return seed


def draws(seed, count, draw):
    generator = MersenneTwister64(seed)
    return [draw(generator) for _ in range(count)]


if __name__ == "__main__":
    print(json.dumps({
        "split_mix": [split_mix(counter) for counter in (0, 1, 2, MASK)],
        "derive_seed": [derive_seed(0, ""), derive_seed(1, "dropout"), derive_seed(MASK, "augment", 3, 1, 7),
                        derive_seed(1, "Ærø", 0, 0, MASK)],
        "next": draws(5489, 10000, MersenneTwister64.next)[-1],
        "uniform": draws(1, 700, MersenneTwister64.uniform),
        "below": draws(2, 50, lambda generator: generator.below(7)),
        "below_huge": draws(3, 50, lambda generator: generator.below((1 << 63) + 1)),
        "normal": draws(4, 50, MersenneTwister64.normal),
        "shuffle": MersenneTwister64(5).shuffle(list(range(20))),
    }))
