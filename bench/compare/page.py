"""The web view of a run: one static file, index.html, with its plots inside. Opens from the disk, needs nothing else."""

import html
import json
from pathlib import Path

from . import prose
from .report import PLOTS
from .summary import Summary
from .tables import COLOURS, MARK, SHORT, all_tables

TEMPLATE = Path(__file__).with_name("page.html")
FIGURES = (  # key, title, unit, load, path, scale, less is better
    ("hey-50", "hey, 50 clients", "answers/s", "hey-50", ("rate",), 1, False),
    ("hey-15", "hey, 15 clients", "answers/s", "hey-15", ("rate",), 1, False),
    ("hey-1", "hey, 1 client", "answers/s", "hey-1", ("rate",), 1, False),
    ("locust", "locust, 15 users", "answers/s", "locust", ("rate",), 1, False),
    ("mixed", "5 to 120 words", "answers/s", "mixed", ("rate",), 1, False),
    ("p99", "99 % within, 50 clients", "ms", "hey-50", ("percentiles", "99"), 1e3, True),
    ("start", "cold start", "ms", "start", ("cold_start",), 1e3, True),
    ("memory", "resident memory", "MiB", "start", ("resident_mib",), 1, True),
)


def words(text):
    """Escaped, with Markdown's two kinds of emphasis as HTML's."""
    escaped = html.escape(str(text))
    for sign, tag in (("**", "strong"), ("*", "em")):
        pieces = escaped.split(sign)
        escaped = pieces[0] + "".join(
            f"<{'/' if index % 2 else ''}{tag}>{piece}" for index, piece in enumerate(pieces[1:])
        )
    return escaped


def cell_html(value):
    short = ' class="short"' if len(str(value)) < 24 else ""  # does not break
    return f"<td{short}>{words(value)}</td>"


def table_html(table):
    head = "".join(f"<th>{words(column)}</th>" for column in table.columns)
    rows = "".join("<tr>" + "".join(map(cell_html, row)) + "</tr>" for row in table.rows)
    note = f"<p>{words(table.note)}</p>" if table.note else ""
    tag = f"h{table.level}"
    body = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<{tag}>{words(table.title)}</{tag}>{note}<div class="wide">{body}</div>'


def figures(summary):
    """What the interactive bars show."""
    found = []
    for key, title, unit, load, path, scale, less in FIGURES:
        values = {name: summary.median(name, load, *path) for name in summary.measured()}
        values = {name: value * scale for name, value in values.items() if value is not None}
        marks = [name for name in values if summary.is_disturbed(name, load)]
        if values:
            found.append({"key": key, "title": title, "unit": unit, "less": less, "values": values, "disturbed": marks})
    return {
        "figures": found,
        "names": {key: SHORT.get(key, key) for key in summary.measured()},
        "colours": {key: COLOURS.get(key, "#555555") for key in summary.measured()},
    }


def inline_svg(path):
    text = path.read_text()
    return text[text.index("<svg") :]


def write_page(results, directory):
    summary = Summary(results)
    head = summary.head
    facts = {
        "Model": head["model"],
        **head["machine"],
        **head["versions"],
        "Command": head["command"],
        "Date": head["date"],
    }
    parts = {
        "LEAD": "".join(f"<li>{words(line)}</li>" for line in (*prose.headline(summary), prose.verdicts(summary))),
        "SETTINGS": "".join(f"<p>{words(line)}</p>" for line in prose.settings(summary)),
        "FACTS": "".join(f"<tr><th>{words(name)}</th><td>{words(text)}</td></tr>" for name, text in facts.items()),
        "PLOTS": "".join(
            f"<figure><figcaption>{words(title)}</figcaption>{inline_svg(directory / f'{name}.svg')}</figure>"
            for name, title in PLOTS
            if (directory / f"{name}.svg").is_file()
        ),
        "TABLES": "".join(map(table_html, all_tables(summary))),
        "DATA": json.dumps(figures(summary)).replace("</", "<\\/"),
        "MARK": MARK.strip(),
    }
    page = TEMPLATE.read_text()
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    (directory / "index.html").write_text(page)
