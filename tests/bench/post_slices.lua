-- For wrk: posts the files named in PULMO_BENCH_LIST (one a line), one a request, in turns that differ by thread.
-- Prints one JSON line at the end.
local bodies, at = {}, 0
local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init()
  for path in io.lines(os.getenv("PULMO_BENCH_LIST")) do
    local file = assert(io.open(path, "rb"))
    table.insert(bodies, file:read("*a"))
    file:close()
  end
  at = number * 7
  wrk.method = "POST"
  wrk.headers["Content-Type"] = os.getenv("PULMO_BENCH_TYPE")
  good, bad = 0, 0
end

function request()
  at = at + 1
  return wrk.format(nil, nil, nil, bodies[at % #bodies + 1])
end

function response(status)
  if status == 200 then good = good + 1 else bad = bad + 1 end
end

function done(summary, latency)
  local all_good, all_bad = 0, 0
  for _, thread in ipairs(threads) do
    all_good = all_good + thread:get("good")
    all_bad = all_bad + thread:get("bad")
  end
  local errors = summary.errors
  io.write(string.format(
    '{"good": %d, "bad": %d, "broken": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    all_good, all_bad, errors.connect + errors.read + errors.write + errors.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
