"""A run: every contestant is prepared, then started, checked, loaded and stopped, one after the other, in several rounds."""

import contextlib
import functools
import json
import shlex
import socket
import statistics
import subprocess
import time

from . import answers, cores, load, measure, processes
from .contestants import Unavailable, telling_line

READY_LIMIT, PREPARE_LIMIT, WARM_UP_LIMIT, SETTLE_LIMIT = 180, 1800, 60, 30  # seconds
LOAD_PATIENCE = 4  # a load may take this many times what it should, and a minute more
ASSUMED_RATE = 30  # requests a second of a service that has not been measured yet
START_COST = 10  # seconds to start, check, warm up and stop a service; for the forecast


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Failed(Exception):
    """A contestant failed; the message names the stage and why."""


class Run:
    """`results` is all that a report is made of: head, contestants (by key), measurements (in order)."""

    def __init__(self, settings, chosen, plan, progress):
        self.settings, self.chosen, self.plan, self.progress = settings, chosen, plan, progress
        self.service_cores, self.generator_cores, self.pinning = cores.split()
        self.reference = None  # (key, answers)
        config = json.loads((settings.model / "config.json").read_text())
        self.two_labels = len(config.get("id2label") or (0, 1)) == 2
        self.results = {"head": {}, "contestants": {}, "measurements": []}
        for contestant in chosen:
            self.results["contestants"][contestant.key] = {
                "title": contestant.title,
                "language": contestant.language,
                "precision": contestant.precision,
                "bound": contestant.bound,
                "device": settings.device if contestant.on_device else "cpu",
                "status": "waiting",
            }
        load.write_bodies(settings.work)

    def state(self, contestant):
        return self.results["contestants"][contestant.key]

    def is_alive(self, contestant):
        return self.state(contestant)["status"] != "failed"

    def fail(self, contestant, stage, reason):
        self.state(contestant).update(status="failed", stage=stage, reason=str(reason))
        self.progress.say(f"{contestant.key}: failed ({stage}): {reason}")

    def save(self):
        (self.settings.work / "results.json").write_text(json.dumps(self.results, indent=1))

    def run_logged(self, command, log, directory=None, environment=None):
        """For installations. -> exit status"""
        with log.open("ab") as output:
            output.write(f"$ {' '.join(map(str, command))}\n".encode())
            output.flush()
            process = processes.start(command, output, directory=directory, environment=environment)
            processes.finish(process, PREPARE_LIMIT, self.progress.tick)
            return process.returncode

    def prepare(self):
        for contestant in self.chosen:
            self.progress.step(f"{contestant.key}: install and build")
            try:
                contestant.prepare(self.settings, self.run_logged, self.settings.work / f"{contestant.key}.prepare.log")
                self.state(contestant)["disk_mib"] = sum(map(disk_mib, contestant.disk(self.settings)))
            except (Unavailable, OSError, subprocess.SubprocessError) as error:
                self.fail(contestant, "prepare", error)

    def loads(self, contestant, round_number):
        for step in self.plan.loads:
            wanted = step.origin or not contestant.origin_only
            if wanted and (round_number == 1 or not (step.first_round_only or contestant.origin_only)):
                yield step

    def rate(self, contestant):
        rates = [
            m["result"]["rate"]
            for m in self.results["measurements"]
            if m["contestant"] == contestant.key and m.get("tool") == "hey"
        ]
        return max(statistics.median(rates), 0.5) if rates else ASSUMED_RATE

    def forecast(self, round_number):
        """-> seconds that a round should take"""
        total = 0.0
        for contestant in filter(self.is_alive, self.chosen):
            steps = list(self.loads(contestant, round_number))
            total += START_COST + sum(step.seconds(self.rate(contestant)) + 1 for step in steps) if steps else 0
        return total

    def rounds(self):
        """All rounds; the later ones only while they fit in the plan's time."""
        begin = time.monotonic()
        for number in range(1, self.plan.rounds + 1):
            self.progress.plan(sum(self.forecast(coming) for coming in range(number, self.plan.rounds + 1)))
            late = time.monotonic() - begin + self.forecast(number) > self.plan.limit
            if number > 1 and late:
                self.results["head"]["stopped"] = (
                    f"{number - 1} of {self.plan.rounds} rounds: another would have passed the limit of "
                    f"{self.plan.limit / 60:.0f} minutes"
                )
                break
            # Every other round runs backwards, so that what drifts with time does not always fall on the same.
            order = self.chosen if number % 2 else list(reversed(self.chosen))
            for contestant in order:
                if self.is_alive(contestant) and any(True for _ in self.loads(contestant, number)):
                    self.visit(contestant, number)
            self.results["head"]["rounds_done"] = number
        self.results["head"]["measuring_seconds"] = time.monotonic() - begin

    def visit(self, contestant, round_number):
        """Starts a contestant, loads it, stops it. Whatever goes wrong is this contestant's alone."""
        log = self.settings.work / f"{contestant.key}.{round_number}.log"
        process = None
        try:
            with log.open("wb") as output:
                port = free_port()
                command = contestant.command(self.settings, port)
                self.progress.step(f"round {round_number}  {contestant.key}: start", START_COST)
                begin = time.monotonic()
                process = processes.start(
                    command,
                    output,
                    environment=contestant.environment(self.settings),
                    cores=self.service_cores,
                    directory=self.settings.work,
                )
                self.await_ready(process, port, log)
                cold_start = time.monotonic() - begin
                state = self.state(contestant)
                state["command"] = written_out(contestant.environment(self.settings), command)
                self.check(contestant, port)
                self.warm_up(contestant, process, port)
                for step in self.loads(contestant, round_number):
                    self.measure(contestant, round_number, step, process, port)
                self.results["measurements"].append(
                    {
                        "contestant": contestant.key,
                        "round": round_number,
                        "load": "start",
                        "cold_start": cold_start,
                        **measure.memory(process.pid),
                    }
                )
                state["status"] = "measured"
        except (Failed, answers.Wrong, load.Unreadable, OSError) as error:
            self.fail(contestant, f"round {round_number}", error)
        except (ValueError, LookupError, TypeError) as error:  # an output of a form that nobody foresaw
            self.fail(contestant, f"round {round_number}", repr(error))
        finally:
            if process:
                processes.stop(process)
            self.save()

    def await_ready(self, process, port, log):
        """Until the first 200 answer."""
        end = time.monotonic() + READY_LIMIT
        said = "no connection"
        while time.monotonic() < end:
            if process.poll() is not None:
                raise Failed(f"ended with status {process.returncode} before it was ready: {telling_line(log)}")
            try:
                answers.ask(port, "ready?")
                return
            except answers.Wrong as error:
                said = str(error)
            except OSError:
                pass
            time.sleep(0.02)
        raise Failed(f"not ready after {READY_LIMIT} s: {said}")

    def check(self, contestant, port):
        """Nothing is timed of a service that answers differently."""
        found = answers.sample(port)
        exact = contestant.precision == "fp32"
        if self.reference is None and exact:
            self.reference = (contestant.key, found)
        if self.reference is None:
            raise Failed("no fp32 service answered before it, so its answers cannot be compared")
        result = answers.compare(found, self.reference[1], self.two_labels)
        worst = max(result["largest"], self.state(contestant).get("answers", {}).get("largest", 0.0))
        self.state(contestant)["answers"] = {**result, "largest": worst, "reference": self.reference[0]}
        answers.check(result, contestant.bound, contestant.labels_must_agree)

    def settle(self, process, port):
        """Until what earlier clients left behind is computed: an answer, and then no CPU time for a moment. Threads that
        spin after an answer are waited for too. -> whether it came to rest"""
        with contextlib.suppress(answers.Wrong):  # an error is an answer too
            answers.ask(port, "settle", timeout=WARM_UP_LIMIT)
        end = time.monotonic() + SETTLE_LIMIT
        while time.monotonic() < end:
            before = measure.service_seconds(process.pid)
            time.sleep(0.2)
            if measure.service_seconds(process.pid) - before <= 0.02:
                return True
        return False

    def warm_up(self, contestant, process, port):
        with (self.settings.work / "warm-up.txt").open("wb") as output:
            command = load.warm_up_command(self.plan.warm_up, port)
            generator = processes.start(command, output, cores=self.generator_cores, directory=self.settings.work)
            processes.finish(generator, WARM_UP_LIMIT, self.progress.tick)

    def measure(self, contestant, round_number, step, process, port):
        expected = step.seconds(self.rate(contestant))
        self.progress.step(f"round {round_number}  {contestant.key}: {step.title}", expected + 1)
        settled = self.settle(process, port)
        name = f"{contestant.key}.{round_number}.{step.key}"
        raw = self.settings.work / f"{name}.txt"
        command = load.command(step, port, self.settings.work)
        with raw.open("wb") as output, (self.settings.work / f"{name}.err").open("wb") as errors:
            window = measure.Window(process.pid)
            generator = processes.start(
                command, output, errors, cores=self.generator_cores, directory=self.settings.work
            )
            _, generator_seconds, in_time = processes.finish(
                generator, LOAD_PATIENCE * expected + 60, self.progress.tick
            )
            costs = window.close(generator_seconds)
        if process.poll() is not None:
            raise Failed(f"ended with status {process.returncode} during {step.title}")
        result = load.PARSERS[step.tool](raw.read_text(errors="replace"))
        if step.tool == "locust":
            result["history"] = load.parse_locust_history((self.settings.work / "locust_stats_history.csv").read_text())
            for path in self.settings.work.glob("locust_*.csv"):
                path.rename(path.with_name(f"{name}.{path.name}"))
        self.results["measurements"].append(
            {
                "contestant": contestant.key,
                "round": round_number,
                "load": step.key,
                "tool": step.tool,
                "command": shlex.join(map(str, command)),
                "in_time": in_time,
                "settled": settled,
                "raw": raw.name,
                **costs,
                "result": result,
            }
        )


def written_out(environment, command):
    """-> a command line as a shell takes it"""
    return " ".join([*(f"{name}={value}" for name, value in environment.items()), shlex.join(map(str, command))])


@functools.cache
def disk_mib(path):
    """Blocks used, links not followed."""
    total, seen = 0, set()
    paths = [path] if path.is_file() else [entry for entry in path.rglob("*") if not entry.is_symlink()]
    for entry in paths:
        status = entry.stat()
        if status.st_ino not in seen:
            seen.add(status.st_ino)
            total += status.st_blocks * 512
    return total / 2**20
