"""Python, Rust and C services of one pipeline under the same load: `make bench-compare`, or bench/compare/start --help."""

import argparse
import datetime
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from . import head, processes
from .contestants import ROOT, Settings, all_contestants
from .model import SHAPES, make_model
from .page import write_page
from .plan import make_plan
from .progress import Progress, minutes
from .publish import publish
from .report import write_report
from .run import Run
from .ui import show_locust

RUNS = ROOT / "build/bench-compare"
INTERRUPTED = 130  # the shell's status of a program that Ctrl-C ended


def options_of(arguments):
    known = [contestant.key for contestant in all_contestants()]
    parser = argparse.ArgumentParser(
        prog="bench/compare/start", description=__doc__, epilog=f"Contestants: {', '.join(known)}."
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--quick", action="store_const", dest="plan", const="quick", help="short loads, one round: under 5 minutes"
    )
    length.add_argument(
        "--full", action="store_const", dest="plan", const="full", help="locust for the origin's 180 s in place of 60 s"
    )
    parser.add_argument("--contestants", metavar="NAME,...", help="only these (default: all)")
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="a BERT or DistilBERT classifier (default: one with random weights is made)",
    )
    parser.add_argument(
        "--shape", choices=SHAPES, default="distilbert-shape", help="of the model that is made (default: %(default)s)"
    )
    parser.add_argument(
        "--device", default="cpu", help="torch's name of where Python computes: cpu, cuda:0 (default: %(default)s)"
    )
    parser.add_argument(
        "--build",
        type=Path,
        default=ROOT / "build/release",
        metavar="DIR",
        help="linnet's build (default: build/release)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where the run is kept (default: build/bench-compare/DATE)"
    )
    parser.add_argument(
        "--publish", action="store_true", help="write docs/comparison.md, its plots and the README's lines too"
    )
    parser.add_argument(
        "--from",
        type=Path,
        dest="earlier",
        metavar="DIR",
        help="measure nothing: write the report of this earlier run again",
    )
    parser.add_argument(
        "--locust-ui",
        action="store_true",
        help="start the first contestant (default: linnet) and locust's web interface before it",
    )
    parser.set_defaults(plan="default")
    options = parser.parse_args(arguments)
    options.chosen = all_contestants()
    if options.contestants:
        wanted = [name.strip() for name in options.contestants.replace(",", " ").split()]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            parser.error(f"no contestant {unknown[0]}: choose among {', '.join(known)}")
        options.chosen = [contestant for contestant in options.chosen if contestant.key in wanted]
    if options.model and not (options.model / "config.json").is_file():
        parser.error(f"--model {options.model}: no config.json there")
    if options.earlier and not (options.earlier / "results.json").is_file():
        parser.error(f"--from {options.earlier}: no results.json there")
    missing = [tool for tool in ("hey", "wrk") if not shutil.which(tool)]
    if missing and not options.earlier:
        parser.error(f"no {' and no '.join(missing)} on PATH: tools/setup bench installs them")
    return options


def command_line(options):
    """-> how this run is had again"""
    words = ["make bench-compare"]
    words += {"quick": ["QUICK=1"], "full": ["FULL=1"], "default": []}[options.plan]
    if options.contestants:
        words.append(f"CONTESTANTS={options.contestants}")
    if options.model:
        words.append(f"MODEL={options.model}")
    if options.device != "cpu":
        words.append(f"DEVICE={options.device}")
    return " ".join(words)


def write_all(results, directory, to_publish):
    from .plots import draw  # matplotlib takes a second to load

    draw(results, directory)
    (directory / "report.md").write_text(write_report(results, directory))
    write_page(results, directory)
    return publish(results, directory) if to_publish else []


def settings_of(options, directory, progress):
    model = options.model
    if not model:
        progress.step(f"making the model, build/bench/{options.shape}")
        model = make_model(ROOT / "build/bench" / options.shape, options.shape)
    return Settings(model.resolve(), options.device, options.build.resolve(), directory)


def measure(options, directory, progress):
    """-> results"""
    settings = settings_of(options, directory, progress)
    run = Run(settings, options.chosen, make_plan(options.plan), progress)
    run.prepare()
    run.results["head"] = head.make_head(settings, run.plan, run.pinning, command_line(options))
    run.rounds()
    run.save()
    return run.results


def interrupt(number, frame):
    raise KeyboardInterrupt


def finish(results, directory, options, progress):
    """Writes what a run is for. -> exit status"""
    progress.say(f"{minutes(progress.elapsed())}  writing the report")
    written = write_all(results, directory, options.publish)
    for path in (directory / "report.md", directory / "index.html", *written):
        progress.say(f"  {os.path.relpath(path)}")
    return 0 if results["measurements"] else 1


def main(arguments):
    options = options_of(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts what is in its background with SIGINT ignored
        signal.signal(number, interrupt)
    progress = Progress()
    if options.earlier:
        directory = options.earlier.resolve()
        results = json.loads((directory / "results.json").read_text())
        return finish(results, directory, options, progress)
    stamp = datetime.datetime.now().strftime("%Y-%m-%d-%H%M%S")
    directory = (options.output or RUNS / stamp).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    try:
        if options.locust_ui:
            return show_locust(options.chosen, settings_of(options, directory, progress), progress)
        results = measure(options, directory, progress)
    except KeyboardInterrupt:
        progress.say("stopped" if options.locust_ui else f"stopped; what was measured is in {directory}")
        return INTERRUPTED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):  # nothing interrupts this
            signal.signal(number, signal.SIG_IGN)
        processes.stop_all()
    return finish(results, directory, options, progress)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
