-- Asks for one path after the other and tells at the end what happened, as JSON: wrk's own report rounds.
--
-- wrk … --script wrk.lua URL -- PATH
--
-- A %d in the path becomes one of many ids: were they all the same, a server could answer many requests with one.

local FIRST, MANY = 20417, 1000
local requests, turn = {}, 0

function init(arguments)
  local path = arguments[1]
  if path:find("%d", 1, true) then
    for id = FIRST, FIRST + MANY - 1 do
      table.insert(requests, wrk.format("GET", (path:gsub("%%d", id))))
    end
  else
    requests[1] = wrk.format("GET", path)
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local errors = summary.errors
  local faults = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local form = '{"requests": %d, "microseconds": %d, "median": %f, "p99": %f, "faults": %d}\n'
  io.write(form:format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), faults))
end
