"""Puts a run into the documentation: docs/comparison.md with its plots, and the README's plot and three lines."""

import re
import shutil

from . import prose
from .contestants import ROOT
from .report import PLOTS, write_report
from .summary import Summary

MOST_DISTURBED = 0.1  # of a run's measurements, for the README to quote it
README_PLACE = re.compile(r"(<!-- comparison -->\n).*?(<!-- /comparison -->)", re.DOTALL)


def readme_lines(summary):
    """The plot and the headline; of a run that was disturbed no figure, because people quote a README."""
    disturbed, count = summary.disturbed()
    if disturbed > count * MOST_DISTURBED:
        words = f"({disturbed} of {count} measurements)"
        return f"The newest run was disturbed by other load {words}: no figures are quoted from it here.\n"
    lines = ["![Requests a second of each service](docs/comparison/requests.png)", ""]
    lines += [f"- {line}" for line in prose.headline(summary)]
    if disturbed:
        lines.append(f"- {disturbed} of {count} measurements were disturbed by other load and are marked there.")
    return "\n".join(lines) + "\n"


def publish(results, directory):
    """-> the files written"""
    plots = ROOT / "docs/comparison"
    plots.mkdir(exist_ok=True)
    written = []
    for name, _ in PLOTS:
        for kind in ("png", "svg"):
            if (directory / f"{name}.{kind}").is_file():
                written.append(plots / f"{name}.{kind}")
                shutil.copy(directory / f"{name}.{kind}", written[-1])
    report = ROOT / "docs/comparison.md"
    report.write_text(write_report(results, directory, "comparison/"))
    readme = ROOT / "README.md"
    text = readme.read_text()
    if not README_PLACE.search(text):
        raise ValueError("README.md has no place for it: <!-- comparison --> ... <!-- /comparison -->")
    lines = readme_lines(Summary(results))
    readme.write_text(README_PLACE.sub(lambda match: match[1] + lines + match[2], text))
    return [*written, report, readme]
