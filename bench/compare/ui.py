"""locust with its web interface in front of one contestant, until Ctrl-C."""

import sys
import time
from pathlib import Path

from . import load, processes
from .plan import make_plan
from .run import Run

SERVICE_PORT, WEB_PORT = 8080, 8089  # the origin's, and locust's own


def show_locust(chosen, settings, progress):
    """-> exit status. Ctrl-C arrives as KeyboardInterrupt; the caller ends the processes."""
    contestant = next((one for one in chosen if one.key == "linnet"), chosen[0])
    run = Run(settings, [contestant], make_plan("quick"), progress)
    run.prepare()
    state = run.state(contestant)
    if state["status"] == "failed":
        return 1
    logs = [(settings.work / name).open("wb") for name in ("service.log", "locust.log")]
    service = processes.start(
        contestant.command(settings, SERVICE_PORT), logs[0], environment=contestant.environment(settings)
    )
    run.await_ready(service, SERVICE_PORT, settings.work / "service.log")
    command = [
        Path(sys.executable).with_name("locust"),
        "--users",
        "15",
        "--spawn-rate",
        "1",
        "-H",
        f"http://127.0.0.1:{SERVICE_PORT}",
        "-f",
        load.HERE / "locustfile.py",
        "--web-host",
        "127.0.0.1",
        "--web-port",
        WEB_PORT,
    ]
    web = processes.start(command, logs[1])
    progress.say(
        f"{contestant.title} on 127.0.0.1:{SERVICE_PORT}; open http://127.0.0.1:{WEB_PORT} and press START. Ctrl-C ends both."
    )
    while service.poll() is None and web.poll() is None:
        time.sleep(0.2)
    progress.say(f"{'the service' if web.returncode is None else 'locust'} ended by itself: see {settings.work}")
    return 1
