"""Training steps a second: pulmo against Debian's PyTorch, side by side on the same cores.

    step_bench.py [--bin build/release/bin] [--rounds 5] [--steps 4] [--size 224] [--batch 32]

Contenders, each measured once a round, in turn, so that a busy machine slows all alike:
  - PyTorch as most people write it: fp32, default memory layout, torch.optim.Adam
  - PyTorch tuned by hand: channels-last, Adam(foreach=True), in fp32, and with bf16 autocast where the processor has
    instructions for it; and the better of them with glibc's malloc told, from outside, to keep memory as pulmo-train does
  - PyTorch DistributedDataParallel: gloo, 2 processes of one thread, channels-last
  - pulmo, 1 rank with all cores; pulmo, 2 ranks of one thread; fp32, and bf16 where the processor has instructions for it
The model is the proposed CNN on random images, the whole step: forward, backward, exchange, Adam. Prints a Markdown table of
the median images a second and the ratios to the first two, with the rounds' spread; each measurement on stderr as it is made.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

CHILD = "--child"
WARM_UP_STEPS = 6
MPI_AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
# What pulmo-train asks of glibc's malloc by itself: freed memory stays with the process.
KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 36), "MALLOC_TOP_PAD_": str(64 << 20)}


def network(size):
    from torch import nn
    layers = []
    for channels, maps in ((1, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(channels, maps, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * (size // 8) ** 2, 128), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 2))


def steps_of(options, channels_last, bf16, threads, batch, wrap=lambda net: net):
    """Seconds of each step after WARM_UP_STEPS that are not measured."""
    import torch
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = network(options.size)
    images = torch.rand(batch, 1, options.size, options.size)
    if channels_last:
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    net = wrap(net)
    optimizer = torch.optim.Adam(net.parameters(), **({"foreach": True} if channels_last else {}))
    labels = torch.arange(batch) % 2
    seconds = []
    for step in range(options.steps + WARM_UP_STEPS):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss = torch.nn.functional.cross_entropy(net(images).float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step >= WARM_UP_STEPS:
            seconds.append(time.perf_counter() - start)
    return seconds


def child(options):
    """One contender in a process of its own; rank 0 prints images a second."""
    kind = options.child
    cores = len(os.sched_getaffinity(0))
    if kind == "ddp":
        import torch.distributed as dist
        from torch.nn.parallel import DistributedDataParallel
        dist.init_process_group("gloo", rank=int(os.environ["RANK"]), world_size=2)
        seconds = steps_of(options, True, False, max(1, cores // 2), options.batch // 2, DistributedDataParallel)
        if dist.get_rank() != 0:
            return
    else:
        seconds = steps_of(options, kind != "default", kind == "tuned-bf16", cores, options.batch)
    print(json.dumps({"images_per_second": options.batch / statistics.median(seconds)}))


def run(command, environment=None):
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])["images_per_second"]


def python_child(options, kind, environment=None):
    command = [sys.executable, __file__, CHILD, kind, "--steps", str(options.steps), "--size", str(options.size),
               "--batch", str(options.batch)]
    if kind != "ddp":
        return run(command, environment)
    setting = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(20000 + os.getpid() % 20000)}
    second = subprocess.Popen(command, env={**setting, "RANK": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return run(command, {**setting, "RANK": "0"})
    finally:
        second.wait()


def pulmo(options, ranks, precision):
    cores = len(os.sched_getaffinity(0))
    command = [f"{options.bin}/step_bench", "--threads", str(max(1, cores // ranks)), "--steps", str(options.steps),
               "--warm-up", str(WARM_UP_STEPS), "--size", str(options.size), "--batch", str(options.batch), "--precision", precision]
    if ranks > 1:
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks), *command]
    return run(command, MPI_AS_ROOT)


def bf16_instructions():
    """Of this processor: AMX, AVX512-BF16, or none."""
    flags = open("/proc/cpuinfo").read()
    names = (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16"))
    return next((name for flag, name in names if flag in flags), None)


def contenders(options):
    precisions = ["fp32"] + (["bf16"] if bf16_instructions() else [])
    table = {"PyTorch, default": lambda: python_child(options, "default")}
    for precision in precisions:
        table[f"PyTorch, tuned, {precision}"] = lambda p=precision: python_child(options, f"tuned-{p}")
    table[f"PyTorch, tuned, {precisions[-1]}, malloc told to keep memory"] = (
        lambda: python_child(options, f"tuned-{precisions[-1]}", KEEP_MEMORY))
    table["PyTorch DDP, 2 processes, fp32"] = lambda: python_child(options, "ddp")
    for precision in precisions:
        for ranks in (1, 2):
            name = f"pulmo, {ranks} rank{'s' if ranks > 1 else ''}, {precision}"
            table[name] = lambda r=ranks, p=precision: pulmo(options, r, p)
    return table


def model_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def report(rates, options):
    tuned = max((name for name in ("PyTorch, tuned, fp32", "PyTorch, tuned, bf16") if name in rates),
                key=lambda name: statistics.median(rates[name]))
    print(f"{len(os.sched_getaffinity(0))} cores of {model_name()}, bf16 by {bf16_instructions() or 'no instruction'}; batch "
          f"{options.batch} of {options.size} x {options.size}; median of {options.rounds} rounds of {options.steps} steps\n")
    print("| contender | images/s (spread of rounds) | × PyTorch default | × PyTorch tuned |\n|---|---|---|---|")
    for name, values in rates.items():
        ratios = []
        for base in ("PyTorch, default", tuned):
            ratios.append(statistics.median(value / other for value, other in zip(values, rates[base])))
        print(f"| {name} | {statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f}) | {ratios[0]:.2f} "
              f"| {ratios[1]:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument(CHILD, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options)
        return
    table = contenders(options)
    rates = {name: [] for name in table}
    for turn in range(options.rounds):
        for name, measure in table.items():
            rates[name].append(measure())
            print(f"round {turn + 1}: {name}: {rates[name][-1]:.1f} images/s", file=sys.stderr, flush=True)
    report(rates, options)


if __name__ == "__main__":
    main()
