"""Drives `wrk` against a server on this machine and reads its figures."""

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_LUA = """
local bodies = {}
local file = io.open(os.getenv("BENCH_BODIES"))
for line in file:lines() do bodies[#bodies + 1] = line end
file:close()
local threads = 0
function setup(thread) thread:set("id", threads); threads = threads + 1 end
function init() next_body = id * 7919 end
function request()
  next_body = next_body + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[next_body % #bodies + 1])
end
function done(summary, latency)
  io.write(string.format("FIGURES %d %d %d %f %f %f\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True)
class Figures:
    """What one run gave: answers, and how many a second, errors, latencies in milliseconds."""

    requests: int
    rate: float
    errors: int
    p50: float
    p99: float
    worst: float

    def __str__(self) -> str:
        return (
            f"{self.rate:9,.0f}/s   p50 {self.p50:6.2f} ms   p99 {self.p99:6.2f} ms"
            f"   max {self.worst:7.1f} ms   errors {self.errors}"
        )


def run_wrk(url: str, bodies: list[dict[str, object]], *, connections: int, seconds: float) -> Figures:
    """Post the bodies in turn over so many connections, for so long."""
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
        output = subprocess.run(
            command, env={"BENCH_BODIES": str(lines)}, capture_output=True, text=True, check=True
        ).stdout
    match = re.search(r"FIGURES (\d+) (\d+) (\d+) (\S+) (\S+) (\S+)", output)
    if match is None:
        raise SystemExit(f"wrk gave no figures:\n{output}")
    requests, micros, errors = (int(value) for value in match.groups()[:3])
    p50, p99, worst = (float(value) / 1000 for value in match.groups()[3:])
    return Figures(requests, requests / (micros / 1e6), errors, p50, p99, worst)
