-- Requests one path after the other and prints the result as JSON, because wrk's own report is rounded.
--
-- wrk … --script wrk.lua URL -- PATH
--
-- A %d in the path is replaced by one of many ids: with a single id, a server could coalesce concurrent requests.

local FIRST_ID, IDS = 20417, 1000
local requests, current = {}, 0

function init(arguments)
  local path = arguments[1]
  if path:find("%d", 1, true) then
    for id = FIRST_ID, FIRST_ID + IDS - 1 do
      table.insert(requests, wrk.format("GET", (path:gsub("%%d", id))))
    end
  else
    requests[1] = wrk.format("GET", path)
  end
end

function request()
  current = current % #requests + 1
  return requests[current]
end

function done(summary, latency)
  local errors = summary.errors
  local count = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local format = '{"requests": %d, "microseconds": %d, "median": %f, "p99": %f, "errors": %d}\n'
  io.write(format:format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), count))
end
