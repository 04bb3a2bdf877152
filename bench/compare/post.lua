-- wrk's requests: POST /age with the bodies of a file, one a line, in turn. Prints what was counted as one line of JSON.
-- wrk ... -s post.lua URL -- FILE
local requests, turn = {}, 0

function init(arguments)
    wrk.method = "POST"
    wrk.path = "/age"
    wrk.headers["Content-Type"] = "application/json"
    for line in io.lines(arguments[1]) do
        requests[#requests + 1] = wrk.format(nil, nil, nil, line)
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end

function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "microseconds": %d, "status": %d, "connect": %d, "read": %d, "write": %d, "timeout": %d, ' ..
        '"mean": %.0f, "p50": %.0f, "p90": %.0f, "p99": %.0f}\n',
        summary.requests, summary.duration, errors.status, errors.connect, errors.read, errors.write, errors.timeout,
        latency.mean, latency:percentile(50), latency:percentile(90), latency:percentile(99)))
end
