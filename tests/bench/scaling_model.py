"""How training scales from 2 to 1,024 ranks: a model from measured step times, message sizes and network figures.

    scaling_model.py --small B1 MS1 --large B2 MS2 [--update MS] [--product-gflops G]

--small, --large   images of one rank in a step and the milliseconds of its forward and backward pass (step_bench
                   --batch, forward_backward_ms): the time is taken as a straight line through both
--update           milliseconds of Adam over all weights (step_bench, update_ms)
--product-gflops   rate of the first dense layer's product in GFLOP/s, for the factor exchange

Prints Markdown tables of the share of a step that is computing (efficiency against ranks that need not exchange) for each
exchange strategy, network and way of scaling. Model of a message of S bytes among P ranks, latency a, bandwidth w:
  all-reduce (ring, or halving and doubling for small messages; the cheaper):
      min(2 (P-1) a + 2 (P-1)/P S/w,  2 log2(P) a + 2 (P-1)/P S/w)  (Thakur, Rabenseifner, Gropp 2005)
  all-gather of P shares, S bytes together: log2(P) a + (P-1)/P S/w
  overlap hides all but the last bucket's exchange behind backward, two thirds of the pass, where a core is to spare
"""
import argparse
import math

DENSE = (128, 100352)           # first dense layer of the proposed CNN at 224 px
PARAMETERS = 12_946_882         # all weights at K = 2
OTHERS = PARAMETERS - DENSE[0] * DENSE[1]
NETWORKS = {  # name: (latency s, bandwidth bytes/s): line rates of the standards; latencies as MPI programs see them
    "10 GbE, TCP": (30e-6, 1.25e9),
    "100 GbE, RoCE": (3e-6, 12.5e9),
    "InfiniBand HDR 200 Gb/s": (1.5e-6, 25e9),
}
STRATEGIES = ["fp32", "bf16", "fp32 + factors", "bf16 + factors", "fp32, overlapped", "fp32 + factors, overlapped"]
RANKS = [2, 8, 32, 128, 512, 1024]


def all_reduce(size, ranks, latency, bandwidth):
    moved = 2 * (ranks - 1) / ranks * size / bandwidth
    return min(2 * (ranks - 1), 2 * math.log2(ranks)) * latency + moved


def all_gather(size, ranks, latency, bandwidth):
    return math.log2(ranks) * latency + (ranks - 1) / ranks * size / bandwidth


def exchange_seconds(strategy, ranks, per_rank, network, product_gflops):
    """Seconds on the wire, and seconds of computing that the strategy adds."""
    value = 2 if strategy.startswith("bf16") else 4
    if "factors" not in strategy:
        return all_reduce(PARAMETERS * value, ranks, *network), 0.0
    batch = ranks * per_rank
    wire = all_reduce(OTHERS * value, ranks, *network) + all_gather(batch * sum(DENSE) * value, ranks, *network)
    more = 2 * (batch - per_rank) * DENSE[0] * DENSE[1] / (product_gflops * 1e9)
    return wire, more


def efficiency(strategy, ranks, per_rank, network, measured):
    compute = measured.compute(per_rank) + measured.update
    wire, more = exchange_seconds(strategy, ranks, per_rank, network, measured.product_gflops)
    if "overlapped" in strategy:
        wire = max(wire - 2 / 3 * measured.compute(per_rank), all_reduce(1 << 20, ranks, *network))
    return compute / (compute + wire + more)


class Measured:
    def __init__(self, options):
        (b1, t1), (b2, t2) = options.small, options.large
        self.slope = (t2 - t1) / (b2 - b1) / 1000
        self.base = t1 / 1000 - self.slope * b1
        self.update = options.update / 1000
        self.product_gflops = options.product_gflops

    def compute(self, images):
        return self.base + self.slope * images


def table(title, per_rank_of, measured):
    print(f"\n**{title}**\n")
    for name, network in NETWORKS.items():
        print(f"| {name} | " + " | ".join(f"{p} ranks" for p in RANKS) + " |\n|---|" + "---|" * len(RANKS))
        for strategy in STRATEGIES:
            cells = []
            for ranks in RANKS:
                per_rank = per_rank_of(ranks)
                cells.append("-" if per_rank < 1 else f"{efficiency(strategy, ranks, per_rank, network, measured):.0%}")
            print(f"| {strategy} | " + " | ".join(cells) + " |")
        print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", nargs=2, type=float, required=True)
    parser.add_argument("--large", nargs=2, type=float, required=True)
    parser.add_argument("--update", type=float, required=True)
    parser.add_argument("--product-gflops", type=float, default=50.0)
    measured = Measured(parser.parse_args())
    print(f"Forward and backward of n images: {measured.base * 1000:.1f} + {measured.slope * 1000:.2f} n ms")
    table("32 images a rank (the global batch grows with the ranks)", lambda ranks: 32, measured)
    table("A global batch of 1,024", lambda ranks: 1024 // ranks, measured)


if __name__ == "__main__":
    main()
