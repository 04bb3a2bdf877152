"""The Markdown report."""

from pathlib import Path

from . import load, prose
from .contestants import ROOT
from .summary import Summary
from .tables import SHORT, all_tables

PLOTS = (
    ("requests", "Requests a second"),
    ("latency", "Latency of locust's requests: the share answered within a time"),
    ("time", "Latency over time, under locust"),
    ("concurrency", "Requests a second by concurrency"),
)
PLOT_AFTER = {
    "What it set out to show": "requests",
    "Percentiles of response times, ms": "latency",
    "Successes a second by concurrency": "concurrency",
}


def cell(text):
    return str(text).replace("|", "\\|").replace("\n", " ")


def markdown_table(table):
    lines = [f"{'#' * table.level} {table.title}", ""]
    if table.note:
        lines += [table.note, ""]
    lines.append("| " + " | ".join(map(cell, table.columns)) + " |")
    lines.append("|" + "---|" * len(table.columns))
    lines += ["| " + " | ".join(map(cell, row)) + " |" for row in table.rows]
    return [*lines, ""]


def picture(name, plots):
    titles = dict(PLOTS)
    return [f"![{titles[name]}]({plots}{name}.png)", "", f"([SVG]({plots}{name}.svg))", ""]


def head_lines(summary):
    head = summary.head
    lines = ["# Python, Rust and C side by side", ""]
    lines += [
        "One transformers text-classification pipeline as an HTTP service, in Python, in Rust and in C, under the same load."
    ]
    lines += [
        f"Made on {head['date']} by `{head['command']}`; bench/compare/README.md says how it is done.",
        "",
    ]
    lines += [f"- {line}" for line in (*prose.headline(summary), prose.verdicts(summary))]
    lines += ["", "| | |", "|---|---|", f"| Model | {cell(head['model'])} |"]
    lines += [f"| {name} | {cell(text)} |" for name, text in (*head["machine"].items(), *head["versions"].items())]
    return [*lines, "", *(line + "\n" for line in prose.settings(summary))]


def histograms(summary, directory):
    lines = ["## hey's histograms", "", "50 clients, the last round, as hey drew them (seconds, answers).", ""]
    found = False
    for key in summary.measured():
        measured = summary.of(key, "hey-50")
        raw = directory / measured[-1]["raw"] if measured else None
        if raw and raw.is_file():
            drawn = load.hey_histogram(raw.read_text(errors="replace"))
            lines += [
                f"<details><summary>{SHORT.get(key, key)}</summary>",
                "",
                "```",
                drawn.rstrip(),
                "```",
                "",
                "</details>",
                "",
            ]
            found = True
    return lines if found else []


def short_paths(command):
    """-> with paths from the repository and from the home directory"""
    return command.replace(f"{ROOT}/", "").replace(str(Path.home()), "~")


def commands(summary):
    note = "Each service, and each load as the first service got it; ports were free ones."
    lines = ["## Commands", "", note, "", "```sh"]
    lines += [short_paths(state["command"]) for state in summary.contestants.values() if state.get("command")]
    lines.append("")
    seen = set()
    for measurement in summary.results["measurements"]:
        if "command" in measurement and measurement["load"] not in seen:
            seen.add(measurement["load"])
            lines.append(short_paths(measurement["command"]))
    return [*lines, "```"]


def write_report(results, directory, plots=""):
    """-> the report as Markdown. `plots` is the path of the plots' folder from where it will stand, with its slash."""
    summary = Summary(results)
    have = {name for name, _ in PLOTS if (directory / f"{name}.png").is_file()}
    lines = head_lines(summary)
    for table in all_tables(summary):
        lines += markdown_table(table)
        after = [PLOT_AFTER[table.title]] if table.title in PLOT_AFTER else []
        if after == ["latency"]:
            after.append("time")
        for name in after:
            lines += picture(name, plots) if name in have else []
    lines += histograms(summary, directory)
    lines += commands(summary)
    return "\n".join(lines).rstrip() + "\n"
