"""The tables of a report, independent of Markdown and HTML."""

import dataclasses

from . import origin
from .claims import claims
from .load import PERCENTILES
from .summary import difference

MISSING = "–"
MARK = " †"  # disturbed
THEIRS = "origin's own: "
FFI = ("python", "rust-debug", "rust-release", "linnet-ffi")
ENGINES = ("python", "linnet", "onnx-fp32", "linnet-int8", "onnx-int8", "onnx-int8-inline")
SHORT = {
    "python": "Python",
    "rust-debug": "Rust debug",
    "rust-release": "Rust release",
    "linnet-ffi": "C: linnet FFI",
    "linnet": "C: linnet fp32",
    "linnet-int8": "C: linnet int8",
    "onnx-fp32": "onnxruntime fp32",
    "onnx-int8": "onnxruntime int8",
    "onnx-int8-inline": "onnxruntime int8, inline",
}
COLOURS = {
    "python": "#3670a0",
    "rust-debug": "#e3a07c",
    "rust-release": "#c8551b",
    "linnet-ffi": "#7bb662",
    "linnet": "#3a8f2d",
    "linnet-int8": "#14591d",
    "onnx-fp32": "#a79bc9",
    "onnx-int8": "#6a51a3",
    "onnx-int8-inline": "#8c6bb1",
}
HEY_ROWS = (
    ("Total", "total", "s"),
    ("Slowest", "slowest", "s"),
    ("Fastest", "fastest", "s"),
    ("Average", "average", "s"),
    ("Requests/sec", "rate", ""),
)


@dataclasses.dataclass
class Table:
    title: str
    columns: list
    rows: list
    note: str = ""
    level: int = 2


def number(value, digits=1):
    return MISSING if value is None else f"{value:,.{digits}f}"


def milliseconds(value, digits=None):
    """With one decimal where it says something, unless told how many"""
    if value is None:
        return MISSING
    if digits is None:
        digits = 0 if value >= 0.02 else 1
    return f"{value * 1e3:,.{digits}f}"


def percent(value):
    """A difference, with its sign"""
    return MISSING if value is None else f"{value * 100:+.2f} %"


def share(value):
    return MISSING if value is None else f"{value * 100:.0f} %"


def mark(summary, key, load, text):
    return text + (MARK if summary.is_disturbed(key, load) else "")


def claims_table(summary):
    rows = []
    for claim in claims(summary):
        rows.append(
            [
                claim.text,
                claim.wanted,
                claim.measured + (MARK if claim.disturbed else ""),
                claim.verdict,
                claim.exactness,
            ]
        )
    return Table("What it set out to show", ["", "wanted", "measured", "", "answers against the Python service"], rows)


def overview(summary):
    rows = []
    for key, state in summary.contestants.items():
        if key not in summary.measured():
            rows.append([state["title"], f"**{state['status']}**", *[""] * 6])
            continue
        rate = summary.rate(key, "hey-50")
        answer = state.get("answers")
        rows.append(
            [
                state["title"],
                mark(summary, key, "hey-50", number(rate)),
                MISSING if key == "python" else percent(difference(rate, summary.rate("python", "hey-50"))),
                mark(summary, key, "locust", number(summary.rate(key, "locust"))),
                mark(summary, key, "mixed", number(summary.rate(key, "mixed"))),
                mark(summary, key, "hey-1", milliseconds(summary.median(key, "hey-1", "percentiles", "50"), 1)),
                mark(summary, key, "hey-50", milliseconds(summary.median(key, "hey-50", "percentiles", "99"))),
                f"{answer['labels_equal']}/{answer['texts']}, {answer['largest']:.0e}" if answer else MISSING,
            ]
        )
    columns = [
        "",
        "hey, 50 clients: successes/s",
        "Difference",
        "locust, 15 users: successes/s",
        "mixed lengths, 16 clients: successes/s",
        "1 client: median ms",
        "50 clients: 99 % ms",
        "labels equal, largest difference of a score",
    ]
    notes = ["Difference = (it − Python) / Python."]
    for key in summary.failed():
        state = summary.contestants[key]
        notes.append(f"**{state['title']} failed** ({state['stage']}): {state['reason']}.")
    return Table("All of them", columns, rows, " ".join(notes))


def resources(summary):
    rows = []
    for key in summary.measured():
        resident = summary.median(key, "start", "resident_mib")
        first = summary.median(key, "start", "first_mib")
        own = f" ({number(first, 0)} in linnet itself)" if key == "linnet-ffi" and first else ""
        cpu = summary.cpu_per_request(key, "hey-50")
        rows.append(
            [
                summary.title(key),
                milliseconds(summary.median(key, "start", "cold_start")),
                number(resident, 0) + own,
                mark(summary, key, "hey-50", milliseconds(cpu, 1)),
                number(summary.contestants[key].get("disk_mib"), 1),
            ]
        )
    columns = [
        "",
        "cold start to first answer, ms",
        "resident after the load, MiB",
        "CPU time a request, ms",
        "on disk without the model, MiB",
    ]
    note = (
        "Resident: VmRSS of all its processes, median of the rounds. CPU time: of the service, hey with 50 clients. "
        "On disk: programs and Python environment; the torch environment is PyPI's, with its CUDA libraries, and linnet's "
        "executable carries a small model of its own."
    )
    return Table("What they cost", columns, rows, note)


def locust_table(summary):
    rows = []
    for key in summary.measured():
        values = [
            milliseconds(summary.median(key, "locust", name)) for name in ("average", "fastest", "slowest", "median")
        ]
        if summary.of(key, "locust"):
            rate = mark(summary, key, "locust", number(summary.rate(key, "locust")))
            rows.append(
                [
                    summary.title(key),
                    *values,
                    rate,
                    str(summary.failures(key, "locust")),
                    share(summary.generator_share(key, "locust")),
                ]
            )
    for (name, device), values in origin.LOCUST.items():
        rows.append([f"*{THEIRS}{name}, {device}*", *map(str, values[:4]), str(values[4]), MISSING, MISSING])
    columns = ["", "AVG ms", "MIN", "MAX", "MEDIAN", "REQ/SEC", "failed", "locust's CPU, of one core"]
    return Table(
        "locust, 15 users",
        columns,
        rows,
        "FastHttpUser, one task, no wait, users started one a second and counted from the first. REQ/SEC counts successes.",
    )


def percentile_table(summary):
    names = [f"{percent:g}" for percent in PERCENTILES]
    rows = []
    for key in summary.measured():
        if summary.of(key, "locust"):
            values = [milliseconds(summary.median(key, "locust", "percentiles", name)) for name in names]
            rows.append([summary.title(key), *values, number(summary.median(key, "locust", "requests"), 0)])
    for (name, device), values in origin.PERCENTILES.items():
        rows.append([f"*{THEIRS}{name}, {device}*", *(f"{value:,}" for value in values)])
    return Table(
        "Percentiles of response times, ms",
        ["", *(f"{name} %" for name in names), "requests"],
        rows,
        "locust's, rounded by it to two digits.",
        3,
    )


def hey_table(summary, keys, title, note=""):
    """Python first, then each with its Difference."""
    keys = [key for key in keys if summary.of(key, "hey-50")]
    columns = [""]
    for key in keys:
        columns += [SHORT[key]] if key == "python" else [SHORT[key], "Difference"]
    rows = []
    for name, field, unit in HEY_ROWS:
        row = [f"{name}{', ' + unit if unit else ''}"]
        base = summary.median("python", "hey-50", field)
        for key in keys:
            value = summary.median(key, "hey-50", field)
            row.append(mark(summary, key, "hey-50", number(value, 4)))
            if key != "python":
                row.append(percent(difference(value, base)))
        rows.append(row)
    row = ["failed or timed out"]
    for key in keys:
        row += [f"{summary.failures(key, 'hey-50')}"] + ([""] if key != "python" else [])
    rows.append(row)
    return Table(title, columns, rows, note, 3)


def origin_hey_table():
    rows = []
    for index, (name, _, unit) in enumerate(HEY_ROWS):
        row = [f"{name}{', ' + unit if unit else ''}"]
        for device in ("CPU", "GPU"):
            row += [f"{origin.HEY[who, device][index]:.4f}" for who in ("Python", "Rust debug", "Rust release")]
            row.append(origin.HEY_DIFFERENCE[device][index])
        rows.append(row)
    columns = [
        "",
        *(
            f"{who}, {device}"
            for device in ("CPU", "GPU")
            for who in ("Python", "Rust debug", "Rust release", "Difference")
        ),
    ]
    note = f"On {origin.MACHINE}. Its Difference column is as printed there; it does not follow from the other columns."
    return Table("The origin's own hey figures", columns, rows, note, 3)


def clients_table(summary):
    rows = []
    for key in summary.measured():
        row = [summary.title(key)]
        for clients in (1, 15, 50):
            load = f"hey-{clients}"
            row.append(mark(summary, key, load, number(summary.rate(key, load))))
            row += [milliseconds(summary.median(key, load, "percentiles", name), 1) for name in ("50", "99")]
        if summary.of(key, "hey-15"):
            rows.append(row)
    columns = [
        "",
        *(
            f"{clients} client{'s' * (clients > 1)}: {what}"
            for clients in (1, 15, 50)
            for what in ("successes/s", "50 % ms", "99 % ms")
        ),
    ]
    return Table("hey with 1, 15 and 50 clients", columns, rows, "Medians of the rounds.", 3)


def mixed_table(summary):
    rows = []
    for key in summary.measured():
        if summary.of(key, "mixed"):
            values = [milliseconds(summary.median(key, "mixed", "percentiles", name)) for name in ("50", "99")]
            rate = mark(summary, key, "mixed", number(summary.rate(key, "mixed")))
            times = None if key == "python" else difference(summary.rate(key, "mixed"), summary.rate("python", "mixed"))
            rows.append([summary.title(key), rate, percent(times), *values, str(summary.failures(key, "mixed"))])
    columns = ["", "successes/s", "Difference", "50 % ms", "99 % ms", "failed"]
    return Table("Texts of 5 to 120 words, 16 clients", columns, rows, "wrk, 64 texts in turn.")


def sweep_table(summary):
    sweeps = {key: dict(summary.sweep(key)) for key in summary.measured() if summary.sweep(key)}
    counts = sorted({clients for sweep in sweeps.values() for clients in sweep})
    rows = []
    for key, sweep in sweeps.items():
        cells = [mark(summary, key, f"sweep-{clients}", number(sweep.get(clients))) for clients in counts]
        rows.append([summary.title(key), *cells])
    return Table(
        "Successes a second by concurrency",
        ["", *map(str, counts)],
        rows,
        "wrk, keep-alive connections, the origin's text.",
    )


def rounds_table(summary):
    rows = []
    for key in summary.measured():
        values = summary.values(key, "hey-50", "rate")
        if not values:
            continue
        spread = (
            f"{(max(values) - min(values)) / min(values) * 100:.0f} %" if len(values) > 1 and min(values) else MISSING
        )
        each = [f"{m['result']['rate']:.1f}{MARK if m['disturbed'] else ''}" for m in summary.of(key, "hey-50")]
        other = max(m["other_cpu"] / m["wall"] for m in summary.of(key, "hey-50"))
        rows.append([summary.title(key), ", ".join(each), spread, share(other)])
    columns = ["", "successes/s of each round", "spread", "other load at its highest, of one core"]
    return Table("Rounds: hey, 50 clients", columns, rows, "Every other round ran in reverse order.")


def all_tables(summary):
    """-> the tables in the order of the report; those without a row are left out"""
    ffi_note = (
        "Difference = (it − Python) / Python, for every row. Medians of the rounds; Requests/sec counts successes (hey's own "
        "counts failures too). The Rust debug build ran once."
    )
    found = [
        claims_table(summary),
        overview(summary),
        resources(summary),
        locust_table(summary),
        percentile_table(summary),
        hey_table(
            summary,
            FFI,
            "hey -n 1000, 50 clients: the same pipeline, called from Python, Rust and C"
            if summary.head["plan"] != "quick"
            else "hey, 50 clients: the same pipeline, called from Python, Rust and C",
            ffi_note,
        ),
        hey_table(summary, ENGINES, "The same, for engines"),
        origin_hey_table(),
        clients_table(summary),
        mixed_table(summary),
        sweep_table(summary),
        rounds_table(summary),
    ]
    return [table for table in found if table.rows]
