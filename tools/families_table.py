#!/usr/bin/env python3
"""Writes the README's table of families, tasks and precisions from the tests that passed.

    tests/run build/release && tools/families_table.py build/release/pytest.junit.xml

A test that bears the mark `covers(family, task, precision)` shows, where it passes on at least one instruction set and
fails on none, that linnet does it. tests/house holds the README against the marks.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- begin: written by tools/families_table.py -->", "<!-- end of the table -->"
PRECISIONS = ["fp32", "bf16", "int8"]


def passed(junit):
    """-> {(family, task, precision)} of which a test passed and none failed"""
    good, bad = set(), set()
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        covers = {tuple(found.get("value").split()) for found in case.iter("property") if found.get("name") == "covers"}
        if case.find("failure") is not None or case.find("error") is not None:
            bad |= covers
        elif case.find("skipped") is None:
            good |= covers
    return good - bad


def render(covered):
    """{(family, task, precision)} -> Markdown: a row a family, a column a task, precisions in the cells"""
    tasks = sorted({task for _, task, _ in covered}, key=lambda task: (task != "text-classification", task))
    lines = [f"| `model_type` | {' | '.join(tasks)} |", "|---" * (1 + len(tasks)) + "|"]
    for family in sorted({family for family, _, _ in covered}):
        cells = [[name for name in PRECISIONS if (family, task, name) in covered] for task in tasks]
        lines.append(f"| {family} | {' | '.join(', '.join(cell) or '—' for cell in cells)} |")
    return "\n".join(lines) + "\n"


def table(readme):
    return readme.split(BEGIN + "\n")[1].split(END)[0]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    covered = passed(sys.argv[1])
    if not covered:
        sys.exit(f"{sys.argv[1]}: no test with the mark `covers` has passed")
    readme = README.read_text(encoding="utf-8")
    before, after = readme.split(BEGIN + "\n" + table(readme) + END)
    README.write_text(f"{before}{BEGIN}\n{render(covered)}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
