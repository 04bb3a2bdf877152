"""The plots of a run, as PNG and SVG. One colour a language, one line a contestant, named where it ends or lies."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter  # noqa: E402

from .summary import Summary, ratio  # noqa: E402
from .tables import COLOURS, SHORT  # noqa: E402

DASHED = {"rust-debug", "onnx-int8-inline", "onnx-fp32"}
PLAIN = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
BARS = (("hey-50", "hey, 50 clients"), ("locust", "locust, 15 users"), ("mixed", "5 to 120 words, 16 clients"))

plt.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "none",
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "svg.hashsalt": "linnet",
    }
)


def save(figure, directory, name):
    for kind in ("png", "svg"):
        figure.savefig(
            directory / f"{name}.{kind}",
            dpi=110,
            bbox_inches="tight",
            facecolor="white",
            metadata={"Date": None} if kind == "svg" else None,
        )
    plt.close(figure)


def style(key):
    return {"color": COLOURS.get(key, "#555555"), "linestyle": "--" if key in DASHED else "-", "linewidth": 2}


def footnote(figure, summary):
    disturbed, count = summary.disturbed()
    text = f"{summary.head['date']}, {summary.head['cores']} cores, {summary.head['model']}"
    if disturbed:
        text += f". DISTURBED: {disturbed} of {count} measurements, other load on the machine"
    figure.text(0.01, -0.02, text, fontsize=8, color="#b00020" if disturbed else "#666666", va="top")


def requests(summary, directory):
    """Bars of successes a second, one panel a load, slowest first."""
    loads = [(load, title) for load, title in BARS if any(summary.rate(key, load) for key in summary.measured())]
    order = sorted(summary.measured(), key=lambda key: summary.rate(key, "hey-50") or 0)
    if not loads:
        return
    figure, panels = plt.subplots(
        1, len(loads), figsize=(4.4 * len(loads) + 1.4, 0.48 * len(order) + 1.2), sharey=True, squeeze=False
    )
    for panel, (load, title) in zip(panels[0], loads):
        rates = [summary.rate(key, load) or 0 for key in order]
        panel.barh(range(len(order)), rates, color=[COLOURS.get(key, "#555555") for key in order], height=0.72)
        for place, (key, rate) in enumerate(zip(order, rates)):
            times = ratio(rate, summary.rate("python", load))
            words = f"{rate:,.0f}" + (f"  ({times:.1f}x)" if times and key != "python" else "") if rate else "not run"
            panel.text(rate + max(rates) * 0.015, place, words, va="center", fontsize=10)
        panel.set_title(title)
        panel.set_xlim(0, max(rates) * 1.32 or 1)
        panel.set_yticks(range(len(order)), [SHORT.get(key, key) for key in order])
        panel.tick_params(left=False)
        panel.set_xlabel("answers a second (times Python)")
    figure.tight_layout(w_pad=2)
    footnote(figure, summary)
    save(figure, directory, "requests")


def legend_by_value(panel, keys_values, words, reverse=False):
    """A legend in the order of the lines, each with its figure."""
    order = sorted(keys_values, key=keys_values.get, reverse=reverse)
    handles = [plt.Line2D([], [], **style(key)) for key in order]
    labels = [f"{SHORT.get(key, key)}: {words(keys_values[key])}" for key in order]
    panel.legend(handles, labels, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


def seconds_axis(axis):
    axis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value * 1e3:,.4g} ms" if value < 1 else f"{value:,.3g} s")
    )
    axis.set_minor_formatter(NullFormatter())


def latency(summary, directory):
    """Share of locust's requests answered within a time."""
    figure, panel = plt.subplots(figsize=(8.5, 4.6))
    medians = {}
    for key in summary.measured():
        for times in summary.values(key, "locust", "times"):
            count, below, points = sum(number for _, number in times), 0, []
            for time, number in times:
                below += number
                points.append((max(time, 0.001), below / count * 100))
            first = points[0][0]
            panel.step([first, *(x for x, _ in points)], [0, *(y for _, y in points)], where="post", **style(key))
            medians[key] = summary.median(key, "locust", "median")
    if not medians:
        plt.close(figure)
        return
    panel.set_xscale("log")
    seconds_axis(panel.xaxis)
    panel.set(ylim=(0, 101), xlabel="time to the answer (logarithmic)", ylabel="% of requests answered")
    panel.set_title("locust, 15 users: answered within")
    panel.grid(alpha=0.25)
    legend_by_value(panel, medians, lambda value: f"median {value * 1e3:,.0f} ms")
    footnote(figure, summary)
    save(figure, directory, "latency")


def over_time(summary, directory):
    """Median of the last ten seconds, by second, from locust."""
    figure, panel = plt.subplots(figsize=(8.5, 4.6))
    last = {}
    for key in summary.measured():
        for history in summary.values(key, "locust", "history"):
            if history:
                panel.plot([point["at"] for point in history], [point["p50"] for point in history], **style(key))
                panel.fill_between(
                    [point["at"] for point in history],
                    [point["p50"] for point in history],
                    [point["p95"] for point in history],
                    color=COLOURS.get(key, "#555555"),
                    alpha=0.12,
                    linewidth=0,
                )
                last[key] = history[-1]["p50"]
    if not last:
        plt.close(figure)
        return
    panel.set_yscale("log")
    seconds_axis(panel.yaxis)
    panel.set(
        xlabel="seconds since the first answers; users are still being added in the beginning",
        ylabel="time to the answer (logarithmic)",
    )
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_title("locust, 15 users: median of the last 10 s, shaded up to their 95th percentile")
    panel.grid(alpha=0.25)
    legend_by_value(panel, last, lambda value: f"{value * 1e3:,.0f} ms at the end", reverse=True)
    footnote(figure, summary)
    save(figure, directory, "time")


def concurrency(summary, directory):
    figure, panel = plt.subplots(figsize=(8.5, 4.6))
    best, counts = {}, set()
    for key in summary.measured():
        points = [(clients, rate) for clients, rate in summary.sweep(key) if rate]
        if points:
            panel.plot([x for x, _ in points], [y for _, y in points], marker="o", markersize=5, **style(key))
            best[key] = max(rate for _, rate in points)
            counts |= {clients for clients, _ in points}
    if not best:
        plt.close(figure)
        return
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.set_xticks(sorted(counts), [str(clients) for clients in sorted(counts)])
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_major_formatter(PLAIN)
    panel.yaxis.set_minor_formatter(NullFormatter())
    panel.set(xlabel="clients", ylabel="answers a second (logarithmic)")
    panel.set_title("Throughput by concurrency")
    panel.grid(alpha=0.25)
    legend_by_value(panel, best, lambda value: f"at most {value:,.0f}", reverse=True)
    footnote(figure, summary)
    save(figure, directory, "concurrency")


def draw(results, directory):
    summary = Summary(results)
    for plot in (requests, latency, over_time, concurrency):
        plot(summary, directory)
