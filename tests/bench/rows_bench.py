"""Every network row's training and inference: pulmo against the same network in Debian's PyTorch, on the same cores.

    rows_bench.py [--bin build/release/bin] [--rows ROW ...] [--rounds 3] [--steps 3] [--size 224] [--depth 7]

The networks are those that the tests compare ours with (tests/golden/*_twin.py). Contenders, in turn, each in a process of
its own, on random images of one channel:
  - PyTorch as most people write it: fp32, default memory layout, Adam; the module itself under inference_mode
  - PyTorch tuned by hand: channels-last, Adam(foreach=True), bf16 autocast if that is quicker here; for inference the
    module traced, frozen and optimised (torch.jit.optimize_for_inference) if that is quicker
  - pulmo: the training step in bf16 where the processor has instructions for it, else fp32; the predictor that
    pulmo-serve runs, fp32
A training step is forward, backward and Adam over all weights. Prints a Markdown table of samples a second and the ratios,
medians over the rounds with their range.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "golden"))

import step_bench

CHILD = "--child"
VOLUMES = ("cnn3d", "slice_attention", "resnet3d")
ROWS = ("conventional_cnn", "proposed_cnn", "attention_cnn", "squeezenet", "resnet18", "densenet121", "unet_densenet",
        *VOLUMES)


def shape_of(options, row):
    """(samples of a training step, of an inference batch, depth). A stack has as many slices as a step of others."""
    return (4, 2, options.depth) if row in VOLUMES else (options.batch, 16, 0)


def backbone(row):
    import backbone_twin
    import torch
    import torchvision
    from torch import nn

    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = backbone_twin.network(row)
            self.classifier = nn.Linear({"densenet121": 1024}.get(row, 512), 2)
            self.normalise = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])

        def forward(self, images):
            maps = backbone_twin.maps_of(row, self.net, self.normalise(images.repeat(1, 3, 1, 1)))
            return self.classifier(maps.mean((2, 3)))

    return Backbone()


def slice_attention():
    """The twin goes through the slices one by one; this is its network for stacks without missing slices."""
    import torch
    import volume_twin

    class Batched(volume_twin.SliceAttention):
        def forward(self, stacks):
            n, _, depth, height, width = stacks.shape
            slices = self.normalise(stacks.reshape(n * depth, 1, height, width).repeat(1, 3, 1, 1))
            vectors = self.features(slices).mean((2, 3)).reshape(n, depth, -1)
            scores = self.score(torch.tanh(self.content(vectors)) * torch.sigmoid(self.gate(vectors)))
            return self.classifier((torch.softmax(scores, 1) * vectors).sum(1))

    return Batched()


def network(row, size, depth):
    import model_twin
    if row in model_twin.NETWORKS:
        return model_twin.NETWORKS[row](1, size, 2)
    if row == "unet_densenet":
        import unet_twin
        return unet_twin.Twin()
    if row == "slice_attention":
        return slice_attention()
    if row == "cnn3d":
        import volume_twin
        return volume_twin.Cnn3d(depth, size)
    if row == "resnet3d":
        import volume_twin
        net = volume_twin.ResNet3d([0.43216, 0.394666, 0.37645], [0.22803, 0.22145, 0.216989])
        net.mean, net.std = net.mean.float(), net.std.float()
        return net
    return backbone(row)


def loss_of(result, labels):
    """Of the classes, and of the outlines where the network gives them."""
    import torch
    from torch.nn import functional as F
    logits, outlines = result if isinstance(result, tuple) else (result, None)
    loss = F.cross_entropy(logits.float(), labels)
    if outlines is None:
        return loss
    outlines = outlines.float()
    shares = torch.full_like(outlines, 0.25)
    p = torch.sigmoid(outlines)
    dice = 1 - (2 * (p * shares).sum((1, 2, 3)) + 1) / ((p**2).sum((1, 2, 3)) + (shares**2).sum((1, 2, 3)) + 1)
    return loss + F.binary_cross_entropy_with_logits(outlines, shares) + dice.mean()


def seconds_of(options, run):
    """Median over --steps runs after some that are not measured."""
    seconds = []
    for step in range(options.warm_up + options.steps):
        start = time.perf_counter()
        run()
        if step >= options.warm_up:
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def training(options, net, images, tuned, bf16):
    import torch
    optimizer = torch.optim.Adam(net.parameters(), foreach=tuned)
    labels = torch.arange(len(images)) % 2

    def step():
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = loss_of(net(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return seconds_of(options, step)


def inference(options, net, images, tuned):
    import torch

    class Classes(torch.nn.Module):
        """What pulmo-serve computes, too, of a network that gives more: it can be traced."""

        def __init__(self, whole):
            super().__init__()
            self.whole = whole

        def forward(self, images):
            return self.whole(images)[0]

    with torch.inference_mode():
        eager = seconds_of(options, lambda: net(images))
    if not tuned:
        return eager
    with torch.no_grad():
        net = Classes(net) if isinstance(net(images), tuple) else net
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net.eval(), images)))
        return min(eager, seconds_of(options, lambda: frozen(images)))


def child(options):
    """One row in PyTorch: prints samples a second."""
    import torch
    row, (kind, what) = options.rows[0], options.child.split("/")
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    batch, served, depth = shape_of(options, row)
    net = network(row, options.size, depth).eval()  # the fixed statistics that our normalisations have
    count = batch if what == "training" else served
    images = torch.rand(count, 1, *([depth] if depth else []), options.size, options.size)
    if kind != "default":
        layout = torch.channels_last_3d if depth and row != "slice_attention" else torch.channels_last  # its layers are 2D
        net = net.to(memory_format=layout)
        images = images if row == "slice_attention" else images.to(memory_format=layout)
    if what == "training":
        seconds = training(options, net, images, kind != "default", kind == "tuned-bf16")
    else:
        seconds = inference(options, net, images, kind != "default")
    print(json.dumps({"images_per_second": count / seconds}))


def of_pytorch(options, row, kind, what):
    return step_bench.run([sys.executable, __file__, CHILD, f"{kind}/{what}", "--rows", row, "--steps", str(options.steps),
                           "--warm-up", str(options.warm_up), "--size", str(options.size), "--batch", str(options.batch),
                           "--depth", str(options.depth)])


def of_pulmo(options, row, what, folder):
    batch, served, depth = shape_of(options, row)
    cores = str(len(os.sched_getaffinity(0)))
    if what == "training":
        precision = "bf16" if step_bench.bf16_instructions() else "fp32"
        return step_bench.run([f"{options.bin}/step_bench", "--row", row, "--threads", cores, "--steps", str(options.steps),
                               "--warm-up", str(options.warm_up), "--size", str(options.size), "--batch", str(batch),
                               "--depth", str(depth), "--precision", precision], step_bench.MPI_AS_ROOT)
    bundle = f"{folder}/{row}.pt"
    if not os.path.exists(bundle):
        subprocess.run([f"{options.bin}/pulmo-test-bundle", bundle, str(options.size), "none", "--network", row, "--depth",
                        str(depth)], check=True)
    done = subprocess.run([f"{options.bin}/predictor_bench", bundle, cores, "1", str(served)], check=True,
                          capture_output=True, text=True)
    return served / json.loads(done.stdout)[str(served)]["median"]


def best(rates, what):
    """Each round of the tuned contender that is quicker over all rounds."""
    kinds = [kind for kind, of in rates if of == what and kind.startswith("tuned")]
    return rates[max(kinds, key=lambda kind: statistics.median(rates[kind, what])), what]


def cells(rates, what):
    ours = rates["pulmo", what]
    row = [f"{statistics.median(ours):.3g} ({min(ours):.3g} to {max(ours):.3g})"]
    for theirs in (rates["default", what], best(rates, what)):
        ratios = [mine / other for mine, other in zip(ours, theirs)]
        row.append(f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return row


def measure(options, row, folder):
    kinds = {"training": ["default", "tuned-fp32"] + (["tuned-bf16"] if step_bench.bf16_instructions() else []),
             "inference": ["default", "tuned-fp32"]}
    rates = {}
    for _ in range(options.rounds):
        for what, theirs in kinds.items():
            rates.setdefault(("pulmo", what), []).append(of_pulmo(options, row, what, folder))
            for kind in theirs:
                rates.setdefault((kind, what), []).append(of_pytorch(options, row, kind, what))
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32, help="of a training step; four stacks of rows that take volumes")
    parser.add_argument("--depth", type=int, default=7, help="slices of a stack")
    parser.add_argument(CHILD, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    print(f"{len(os.sched_getaffinity(0))} cores of {step_bench.model_name()}, bf16 by "
          f"{step_bench.bf16_instructions() or 'no instruction'}; {options.size} x {options.size}, steps of {options.batch} "
          f"slices or 4 stacks of {options.depth}, inference of 16 slices or 2 stacks; medians of {options.rounds} rounds (range)\n")
    print("| row | training, samples/s | × PyTorch default | × PyTorch tuned | inference, samples/s | × PyTorch default "
          "| × PyTorch tuned |\n|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for row in options.rows:
            rates = measure(options, row, folder)
            print("| " + " | ".join([row, *cells(rates, "training"), *cells(rates, "inference")]) + " |", flush=True)


if __name__ == "__main__":
    main()
