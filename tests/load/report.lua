-- Added behind a wrk script: one line of JSON at the end.
function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "rate": %.3f, "p50": %.4f, "p99": %.4f, "p999": %.4f, "errors": %d}\n',
      summary.requests, summary.requests / summary.duration * 1e6,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency:percentile(99.9) / 1000,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
