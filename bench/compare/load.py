"""The load generators: their command lines, and their outputs as numbers (seconds, and successes a second)."""

import csv
import dataclasses
import io
import json
import re
import sys
from pathlib import Path

from . import texts

HERE = Path(__file__).resolve().parent
PERCENTILES = (50, 66, 75, 80, 90, 95, 98, 99, 99.9, 99.99, 100)  # locust's own columns


@dataclasses.dataclass(frozen=True)
class Load:
    key: str
    title: str
    tool: str  # hey, locust or wrk
    clients: int
    amount: float  # hey: requests; locust and wrk: seconds
    mixed: bool = False
    first_round_only: bool = False
    origin: bool = False  # the origin ran it too
    spawn_rate: int = 1  # locust: users a second

    def seconds(self, rate):
        """-> how long it should take a service of `rate` requests a second"""
        return self.amount / rate if self.tool == "hey" else self.amount + (3 if self.tool == "locust" else 0)


def command(load, port, directory):
    """-> the command line; `directory` is where the files are that it reads and writes"""
    url = f"http://127.0.0.1:{port}"
    if load.tool == "hey":
        clients = (
            [] if load.clients == 50 else ["-c", str(load.clients)]
        )  # 50 is hey's default, and what the origin ran
        return ["hey", "-n", str(int(load.amount)), *clients, *hey_request(url)]
    if load.tool == "locust":
        locust = Path(sys.executable).with_name("locust")
        return [
            locust,
            "--headless",
            "--users",
            str(load.clients),
            "--spawn-rate",
            str(load.spawn_rate),
            "-H",
            url,
            "-f",
            HERE / "locustfile.py",
            "--run-time",
            f"{int(load.amount)}s",
            "--json",
            "--csv",
            "locust",
            "--csv-full-history",
        ]
    bodies = directory / ("mixed.txt" if load.mixed else "origin.txt")
    return [
        "wrk",
        "-t",
        "1",
        "-c",
        str(load.clients),
        "-d",
        f"{int(load.amount)}s",
        "--timeout",
        "60s",
        "-s",
        HERE / "post.lua",
        url,
        "--",
        bodies,
    ]


def hey_request(url):
    return ["-m", "POST", "-H", "Content-Type: application/json", "-d", texts.body(texts.ORIGIN), url + "/age"]


def warm_up_command(seconds, port):
    return ["hey", "-z", f"{seconds}s", "-c", "15", *hey_request(f"http://127.0.0.1:{port}")]


def write_bodies(directory):
    (directory / "origin.txt").write_text(texts.body(texts.ORIGIN) + "\n")
    (directory / "mixed.txt").write_text("".join(texts.body(text) + "\n" for text in texts.mixed()))


class Unreadable(Exception):
    """A generator printed something that is not its report."""


def _number(pattern, text):
    """-> the number, or None for hey's NaN: it answered nothing"""
    match = re.search(pattern, text)
    if not match:
        raise Unreadable(f"nothing matches {pattern} in: {text.strip()[-300:] or 'no output'}")
    return None if match[1] == "NaN" else float(match[1])


def _section(title, text):
    match = re.search(rf"^{title}:\n(.*?)(?:\n\s*\n|\Z)", text, re.MULTILINE | re.DOTALL)
    return match[1] if match else ""


def parse_hey(text):
    """hey's report -> numbers. Its requests/sec counts failures; `rate` counts answers with status 200 only."""
    total = _number(r"Total:\s+([0-9.]+) secs", text)
    statuses = {int(code): int(count) for code, count in re.findall(r"\[(\d+)\]\s+(\d+) responses", text)}
    errors = {
        message.strip(): int(count)
        for count, message in re.findall(r"\[(\d+)\]\s+(.+)", _section("Error distribution", text))
    }
    successes = statuses.get(200, 0)
    percentiles = re.findall(r"([0-9.]+)%+ in ([0-9.]+) secs", text)
    bars = re.findall(r"^\s+([0-9.]+) \[(\d+)\]\t", _section("Response time histogram", text), re.MULTILINE)
    return {
        "total": total,
        "slowest": _number(r"Slowest:\s+([0-9.]+|NaN) secs", text),
        "fastest": _number(r"Fastest:\s+([0-9.]+|NaN) secs", text),
        "average": _number(r"Average:\s+([0-9.]+|NaN) secs", text),
        "rate_with_failures": _number(r"Requests/sec:\s+([0-9.]+|NaN)", text),
        "successes": successes,
        "failures": sum(statuses.values()) - successes + sum(errors.values()),
        "rate": successes / total if total else 0.0,
        "percentiles": {name: float(value) for name, value in percentiles},
        "histogram": [(float(upper), int(count)) for upper, count in bars],
        "errors": errors,
    }


def hey_histogram(text):
    """-> the histogram as hey drew it"""
    return _section("Response time histogram", text)


def locust_percentile(times, count, share):
    """locust's own rule: the longest time that leaves at most count x share requests below it."""
    allowed, above = int(count * share), 0
    for time in sorted(times, reverse=True):
        above += times[time]
        if count - above <= allowed:
            return time
    return 0


def parse_locust(text):
    """locust's --json -> numbers. Times were rounded by locust to two digits; failures count as requests, not as successes."""
    start = text.find("[")
    if start < 0:
        raise Unreadable(f"locust printed no JSON: {text.strip()[-300:] or 'no output'}")
    try:
        entries, _ = json.JSONDecoder().raw_decode(text[start:])
    except ValueError as error:
        raise Unreadable(f"locust printed no JSON: {error}") from error
    if not entries or not entries[0]["num_requests"]:
        raise Unreadable("locust counted no request")
    entry = entries[0]
    count, failures = entry["num_requests"], entry["num_failures"]
    times = {int(time): number for time, number in entry["response_times"].items()}
    taken = entry["last_request_timestamp"] - entry["start_time"]
    percentiles = {f"{percent:g}": locust_percentile(times, count, percent / 100) / 1e3 for percent in PERCENTILES}
    fastest, slowest = entry["min_response_time"] / 1e3, entry["max_response_time"] / 1e3
    return {
        "requests": count,
        "successes": count - failures,
        "failures": failures,
        "rate": (count - failures) / taken,
        "average": entry["total_response_time"] / count / 1e3,
        "fastest": fastest,
        "slowest": slowest,
        "median": min(max(percentiles["50"], fastest), slowest),
        "percentiles": percentiles,
        "times": sorted((time / 1e3, number) for time, number in times.items()),
    }


def parse_locust_history(text):
    """locust's _stats_history.csv -> [{at, users, rate, p50, p95}], a second each; times over the last 10 seconds"""
    found = []
    for row in csv.DictReader(io.StringIO(text)):
        if row["Name"] != "Aggregated":
            continue
        at = int(row["Timestamp"])
        begin = found[0]["timestamp"] if found else at
        if row["50%"] not in ("N/A", "0"):
            found.append(
                {
                    "timestamp": at,
                    "at": at - begin,
                    "users": int(row["User Count"]),
                    "rate": float(row["Requests/s"]),
                    "p50": float(row["50%"]) / 1e3,
                    "p95": float(row["95%"]) / 1e3,
                }
            )
    return found


def parse_wrk(text):
    """The line that post.lua prints -> numbers"""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise Unreadable(f"wrk printed no result: {text.strip()[-300:] or 'no output'}")
    try:
        counted = json.loads(lines[-1])
    except ValueError as error:
        raise Unreadable(f"wrk printed no JSON: {lines[-1][:200]}") from error
    seconds = counted["microseconds"] / 1e6
    successes = counted["requests"] - counted["status"]
    lost = sum(counted[kind] for kind in ("status", "connect", "read", "write", "timeout"))
    return {
        "successes": successes,
        "failures": lost,
        "rate": successes / seconds if seconds else 0.0,
        "average": counted["mean"] / 1e6,
        "percentiles": {name: counted[f"p{name}"] / 1e6 for name in ("50", "90", "99")},
    }


PARSERS = {"hey": parse_hey, "locust": parse_locust, "wrk": parse_wrk}
