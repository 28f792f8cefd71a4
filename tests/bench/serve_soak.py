"""Soak and overload of a real pulmo-serve, with a verdict.

    serve_soak.py --bin build/release/bin [--minutes 30] [--load 0.8] [--hostile 0.05] [--overload-seconds 60] [--clients-apart]

The capacity is what 16 clients, each with one request under way, are answered.
1. soak: requests at --load times the capacity, sent when they are due whether or not earlier ones were answered, of which
   --hostile are not what a good client sends. A shared machine is a third slower in one minute than in the next, so the
   capacity is measured anew every 20 seconds, for 3. Every good request must be answered with 200; memory and file
   descriptors must not grow.
2. overload: three times the capacity, which is measured just before and just after. Good answers a second must stay within 10 % of
   their mean, and each refusal must come within 50 ms (99 % of them; measured from the moment the request was sent).
Prints what was seen and ends with 1 when something does not hold. One process is server, one client. What the client needs,
the server lacks, and three times the capacity needs more than the capacity did: --clients-apart gives the client the last core
and the server the others, as if requests came from elsewhere.
"""
import argparse
import asyncio
import collections
import os
import pathlib
import random
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "serving"))

REFUSED_MS = 50.0
GOODPUT = 0.9
GROWTH_KIB = 32 * 1024  # allocators keep some; a leak of 1 KiB a request is far more
SOAK_TURN_S, SOAK_CAPACITY_S = 20.0, 3.0
MORE_DESCRIPTORS = 20   # connections come and go with the load; one kept open a second would be 600
SPARE_DESCRIPTORS = 4


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--load", type=float, default=0.8, help="share of the capacity")
    parser.add_argument("--hostile", type=float, default=0.05, help="share of the requests")
    parser.add_argument("--overload", type=float, default=3.0, help="times the capacity")
    parser.add_argument("--overload-seconds", type=float, default=60.0)
    parser.add_argument("--capacity-seconds", type=float, default=15.0)
    parser.add_argument("--size", type=int, default=224, help="of the model's input")
    parser.add_argument("--clients-apart", action="store_true", help="the last core is the clients', as if they ran elsewhere")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="configuration of pulmo-serve")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.minutes * 60 <= SOAK_CAPACITY_S:
        parser.error(f"--minutes {options.minutes:g}: the soak begins with {SOAK_CAPACITY_S:g} s that measure the capacity; more than that is needed")
    return options


class Wire:
    """Connections that are kept while the server keeps them."""

    def __init__(self, port):
        self.port, self.idle = port, []

    async def exchange(self, data, wait_s=60.0):
        """(status, seconds); status 0: no reply."""
        begin = time.perf_counter()
        try:
            return await asyncio.wait_for(self._exchange(data), wait_s), time.perf_counter() - begin
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            return 0, time.perf_counter() - begin

    async def _exchange(self, data):
        while True:
            kept = bool(self.idle)
            reader, writer = self.idle.pop() if kept else await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(data)
                head = await reader.readuntil(b"\r\n\r\n")
                break
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                if not kept:
                    raise  # a kept one may have been closed while it was idle: once more on a new one
        status = int(head.split(b" ", 2)[1])
        lower = head.lower()
        length = int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else 0
        await reader.readexactly(length)
        if b"connection: keep-alive" in lower:
            self.idle.append((reader, writer))
        else:
            writer.close()
        return status

    async def abuse(self, data):
        """Sends it on a connection of its own and goes away, with or without an answer."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(data)
            await asyncio.wait_for(reader.read(4096), 2.0)
        except (OSError, asyncio.TimeoutError):
            pass
        finally:
            writer.close()

    def close(self):
        for _, writer in self.idle:
            writer.close()
        self.idle.clear()


def good_requests(request, sample_images):
    bodies = [(sample_images.encode(sample_images.chest(512, nodule), "png"), "image/png") for nodule in (False, True)]
    bodies += [(sample_images.dicom(sample_images.chest(512, nodule)), "application/dicom") for nodule in (False, True)]
    return [request("POST", "/v1/predict", body, f"Content-Type: {kind}\r\n") for body, kind in bodies]


def hostile_requests(request, sample_images):
    """What strangers and broken programs send."""
    png = sample_images.encode(sample_images.chest(), "png")
    dicom = sample_images.dicom(sample_images.chest())
    post = b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
    noise = random.Random(3).randbytes(20000)

    def picture(body, kind="image/png"):
        return request("POST", "/v1/predict", body, f"Content-Type: {kind}\r\n")

    return [picture(png[:-40]), picture(png[:60]), picture(b"\x89PNG\r\n\x1a\n" + noise), picture(noise), picture(b""),
            picture(dicom[: len(dicom) // 3], "application/dicom"), picture(dicom[:132] + noise, "application/dicom"),
            picture(sample_images.dicom(sample_images.chest(), modality="MR"), "application/dicom"),
            picture(sample_images.encode(sample_images.body_without_lungs(), "png")), picture(b"PK\3\4" + noise, "application/zip"),
            picture(noise, "multipart/form-data; boundary=x"), request("GET", "/nowhere"), noise, b"\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n", post + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r",
            post + b"Content-Length: 99999999999\r\n\r\n", post + b"Content-Length: 5000\r\n\r\nshort", post,
            b"GET /metrics HTTP/1.1\r\n" + b"X-Long: " + b"a" * 100000 + b"\r\n\r\n"]


async def capacity(wire, requests, seconds, clients=16):
    """Good answers a second of clients that wait for each answer."""
    answered, end = 0, time.perf_counter() + seconds

    async def client(i):
        nonlocal answered
        while time.perf_counter() < end:
            status, _ = await wire.exchange(requests[i % len(requests)])
            if status != 200:
                raise SystemExit(f"a good request got {status} while the capacity was measured")
            answered += 1
            i += 1

    begin = time.perf_counter()
    await asyncio.gather(*(client(i) for i in range(clients)))
    return answered / (time.perf_counter() - begin)


async def send_when_due(rate, seconds, send):
    """Calls send() at random moments, `rate` a second on average, and waits for all of them in the end."""
    tasks, due, end = set(), time.perf_counter(), time.perf_counter() + seconds
    while (due := due + random.expovariate(rate)) < end:
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(send())
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def growth(values):
    """Of the median, from the middle third of the time to the last one."""
    third = max(1, len(values) // 3)
    return statistics.median(values[-third:]) - statistics.median(values[third:2 * third] or values)


async def soak(options, server, wire, good, hostile):
    statuses, seconds, memory, files, rates = collections.Counter(), [], [], [], []

    async def send():
        if random.random() < options.hostile:
            await wire.abuse(random.choice(hostile))
            return
        status, took = await wire.exchange(random.choice(good))
        statuses[status] += 1
        seconds.append(took)

    async def watch():
        while True:
            memory.append(server.memory_kib())
            files.append(server.descriptors())
            await asyncio.sleep(max(0.5, options.minutes * 60 / 200))

    watcher = asyncio.create_task(watch())
    end = time.perf_counter() + options.minutes * 60
    while (left := end - time.perf_counter()) > SOAK_CAPACITY_S:
        rates.append(options.load * await capacity(wire, good, SOAK_CAPACITY_S))
        await send_when_due(rates[-1], min(SOAK_TURN_S, left) - SOAK_CAPACITY_S, send)
    watcher.cancel()
    grown, more_files = growth(memory), growth(files)
    wire.close()
    await asyncio.sleep(3.0)
    print(f"soak: {sum(statuses.values())} good requests in {options.minutes:g} min, {min(rates):.0f} to {max(rates):.0f}/s: {dict(statuses)}; "
          f"p50 {1000 * percentile(seconds, .5):.0f} ms, p99 {1000 * percentile(seconds, .99):.0f} ms; memory "
          f"{min(memory) // 1024} to {max(memory) // 1024} MiB, last against middle third {grown / 1024:+.1f} MiB; file descriptors "
          f"{min(files)} to {max(files)}, last against middle third {more_files:+.0f}, {server.descriptors()} at rest")
    return {"every good request was answered with 200": set(statuses) == {200},
            "memory is flat": grown < GROWTH_KIB, "file descriptors are flat": more_files <= MORE_DESCRIPTORS}


async def overload(options, wire, good):
    answered, refused, other = [], [], collections.Counter()
    rate = await capacity(wire, good, options.capacity_seconds)

    async def send():
        status, took = await wire.exchange(random.choice(good))
        if status == 200:
            answered.append(took)
        elif status == 503:
            refused.append(took)
        else:
            other[status] += 1

    begin = time.perf_counter()
    await send_when_due(options.overload * rate, options.overload_seconds, send)
    goodput = len(answered) / (time.perf_counter() - begin)
    slowest = 1000 * percentile(refused, 0.99)
    sent, rate = options.overload * rate, (rate + await capacity(wire, good, options.capacity_seconds)) / 2
    print(f"overload: {sent:.1f}/s for {options.overload_seconds:g} s: {goodput:.1f}/s answered ({goodput / rate:.2f} of the capacity, "
          f"{rate:.1f}/s), {len(refused)} refused, p50 {1000 * percentile(refused, .5):.1f} ms, p99 {slowest:.1f} ms, other: {dict(other)}")
    return {"goodput holds under overload": goodput >= GOODPUT * rate, "something was refused": bool(refused),
            "refusals come at once": slowest <= REFUSED_MS, "nothing but 200 and 503": not other}


async def run(options, server, request, sample_images):
    good, hostile = good_requests(request, sample_images), hostile_requests(request, sample_images)
    wire, at_rest = Wire(server.port), server.descriptors()
    await capacity(wire, good, min(3.0, options.capacity_seconds))
    holds = await soak(options, server, wire, good, hostile)
    holds["file descriptors are given back"] = server.descriptors() <= at_rest + SPARE_DESCRIPTORS
    holds |= await overload(options, wire, good)
    wire.close()
    await asyncio.sleep(3.0)
    holds["file descriptors are given back after the overload"] = server.descriptors() <= at_rest + SPARE_DESCRIPTORS
    return holds


def main():
    options = parse_arguments()
    os.environ["PULMO_BIN_DIR"] = str(options.bin.resolve())
    os.environ.setdefault("PULMO_SOURCE_DIR", str(HERE.parent.parent))
    import sample_images
    from server_process import Server, request

    random.seed(options.seed)
    cores = sorted(os.sched_getaffinity(0))
    if options.clients_apart:
        os.sched_setaffinity(0, cores[:-1])
    server = Server(*options.set, size_px=options.size)
    if options.clients_apart:
        os.sched_setaffinity(0, cores[-1:])
    try:
        holds = asyncio.run(run(options, server, request, sample_images))
        holds["the server is well"] = server.get("/v2/health/ready").status == 200
    finally:
        code = server.stop()
    holds["the server ends with 0"] = code == 0
    for what, held in holds.items():
        print(f"{'holds' if held else 'FAILS'}: {what}")
    sys.exit(not all(holds.values()))


if __name__ == "__main__":
    main()
