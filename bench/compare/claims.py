"""What the comparison set out to show, each held against this run's numbers."""

import dataclasses

from .summary import ratio

TIE = 0.10  # the same service drifts by this much between runs: a smaller gap is not a difference
HOLDS, FAILS, TIED, UNKNOWN = "holds", "does not hold", "a tie (within 10 %)", "not measured"


@dataclasses.dataclass
class Claim:
    text: str
    wanted: str
    measured: str
    verdict: str
    exactness: str = ""
    disturbed: bool = False


def at_least(value, wanted, tie=0.0):
    if value is None:
        return UNKNOWN
    if value >= wanted:
        return HOLDS
    return TIED if value >= wanted * (1 - tie) else FAILS


def below(value, other):
    if value is None or other is None:
        return UNKNOWN
    return HOLDS if value < other else FAILS


def exactness(summary, key):
    answer = summary.contestants.get(key, {}).get("answers")
    if not answer:
        return ""
    scores = f"a score differs by at most {answer['largest']:.1e}" if answer["largest"] else "all scores equal"
    against = "" if answer["reference"] == "python" else f" (against {answer['reference']})"
    return f"{answer['labels_equal']} of {answer['texts']} labels equal, {scores}{against}"


def _ratio_claim(summary, text, key, base, load, wanted, tie=0.0):
    value = ratio(summary.rate(key, load), summary.rate(base, load))
    measured = (
        "-"
        if value is None
        else f"{value:.2f}x ({summary.rate(key, load):.1f} against {summary.rate(base, load):.1f} a second)"
    )
    disturbed = value is not None and (summary.is_disturbed(key, load) or summary.is_disturbed(base, load))
    return Claim(text, f">= {wanted:g}x", measured, at_least(value, wanted, tie), exactness(summary, key), disturbed)


def _less_claim(summary, text, key, base, load, path, unit, scale=1.0):
    ours, theirs = summary.median(key, load, *path), summary.median(base, load, *path)
    known = ours is not None and theirs is not None
    measured = f"{ours * scale:.0f} against {theirs * scale:.0f} {unit}" if known else "-"
    disturbed = known and (summary.is_disturbed(key, load) or summary.is_disturbed(base, load))
    return Claim(text, "less", measured, below(ours, theirs), "", disturbed)


def best_tuned(summary, load):
    """-> the fastest of the int8 services that are not linnet"""
    keys = [key for key in summary.measured() if key.startswith("onnx-int8") and summary.rate(key, load)]
    return max(keys, key=lambda key: summary.rate(key, load), default="onnx-int8")


def claims(summary):
    found = []
    for clients in (1, 15, 50):
        load = f"hey-{clients}"
        found.append(
            _ratio_claim(
                summary,
                f"C with FFI is at least as fast as Rust with FFI, {clients} client{'s' * (clients > 1)}",
                "linnet-ffi",
                "rust-release",
                load,
                1,
                TIE,
            )
        )
        found.append(
            _less_claim(
                summary,
                f"... with a lower 99th percentile, {clients} client{'s' * (clients > 1)}",
                "linnet-ffi",
                "rust-release",
                load,
                ("percentiles", "99"),
                "ms",
                1e3,
            )
        )
    found.append(
        _less_claim(
            summary,
            "... in less memory, worker included",
            "linnet-ffi",
            "rust-release",
            "start",
            ("resident_mib",),
            "MiB",
        )
    )
    for key, hey, locust in (("linnet", 3.5, 3), ("linnet-int8", 12, 8)):
        name = "fp32" if key == "linnet" else "int8"
        found.append(
            _ratio_claim(
                summary, f"C native {name} against the Python service, hey, 50 clients", key, "python", "hey-50", hey
            )
        )
        found.append(
            _ratio_claim(
                summary,
                f"C native {name} against the Python service, locust, 15 users",
                key,
                "python",
                "locust",
                locust,
            )
        )
    best = best_tuned(summary, "hey-50")
    found.append(
        _ratio_claim(
            summary,
            "C native int8 against the best onnxruntime int8 service, hey, 50 clients",
            "linnet-int8",
            best,
            "hey-50",
            1.8,
        )
    )
    found.append(_less_claim(summary, "... resident memory", "linnet-int8", best, "start", ("resident_mib",), "MiB"))
    found.append(
        _less_claim(
            summary, "... cold start to the first answer", "linnet-int8", best, "start", ("cold_start",), "ms", 1e3
        )
    )
    return found
