"""Drives `wrk` against a server on this machine and reads its figures."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SUCCESS = '^{"success": ?true}%s*$'
"""The plain success, as a pattern of Lua."""

_LUA = """
local bodies = {}
local file = io.open(os.getenv("BENCH_BODIES"))
for line in file:lines() do bodies[#bodies + 1] = line end
file:close()
local expected = os.getenv("BENCH_ANSWER")
local all_threads = {}
function setup(thread) thread:set("id", #all_threads); table.insert(all_threads, thread) end
function init() next_body = id * 7919; wrong = 0 end
function request()
  next_body = next_body + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[next_body % #bodies + 1])
end
function response(status, headers, body)
  if status ~= 200 or not body:find(expected) then wrong = wrong + 1 end
end
function done(summary, latency)
  local all_wrong = 0
  for _, thread in ipairs(all_threads) do all_wrong = all_wrong + thread:get("wrong") end
  io.write(string.format("FIGURES %d %d %d %d %f %f %f\\n", summary.requests, summary.duration, all_wrong,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True)
class Figures:
    """What one run gave: answers, and how many a second, latencies in milliseconds.

    `wrong` are the answers that are not the expected success; `errors` are requests without an answer.
    """

    requests: int
    rate: float
    wrong: int
    errors: int
    p50: float
    p99: float
    worst: float

    @property
    def successes(self) -> int:
        """The answers that say that the events are stored."""
        return self.requests - self.wrong

    def __str__(self) -> str:
        return (
            f"{self.rate:9,.0f}/s   p50 {self.p50:6.2f} ms   p99 {self.p99:6.2f} ms"
            f"   max {self.worst:7.1f} ms   no success {self.wrong}   no answer {self.errors}"
        )


def run_wrk(
    url: str, bodies: list[dict[str, object]], *, connections: int, seconds: float, expected: str = SUCCESS
) -> Figures:
    """Post the bodies in turn over so many connections, for so long; `expected` is a pattern of Lua."""
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("This benchmark needs wrk (Debian package of that name).")
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(_LUA)
        lines = Path(folder) / "bodies"
        lines.write_text("\n".join(json.dumps(body) for body in bodies))
        threads = min(connections, 2)
        command = [
            wrk,
            "-t",
            str(threads),
            "-c",
            str(connections),
            "-d",
            f"{round(seconds)}s",
            "-s",
            str(script),
            url,
        ]
        environment = {"BENCH_BODIES": str(lines), "BENCH_ANSWER": expected}
        output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    match = re.search(r"FIGURES (\d+) (\d+) (\d+) (\d+) (\S+) (\S+) (\S+)", output)
    if match is None:
        raise SystemExit(f"wrk gave no figures:\n{output}")
    requests, micros, wrong, errors = (int(value) for value in match.groups()[:4])
    p50, p99, worst = (float(value) / 1000 for value in match.groups()[4:])
    return Figures(requests, requests / (micros / 1e6), wrong, errors, p50, p99, worst)
