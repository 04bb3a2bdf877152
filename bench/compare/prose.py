"""Sentences whose every figure comes from the run; a comparison that was not measured has none."""

from . import claims
from .summary import ratio


def _against(summary, key, base, load):
    return ratio(summary.rate(key, load), summary.rate(base, load))


def headline(summary):
    """-> at most three lines: native fp32, native int8, FFI"""
    lines = []
    fp32, locust = _against(summary, "linnet", "python", "hey-50"), _against(summary, "linnet", "python", "locust")
    if fp32 and locust:
        ours, theirs = summary.rate("linnet", "hey-50"), summary.rate("python", "hey-50")
        lines.append(
            f"linnet in fp32 answers {ours:.0f} requests a second where uvicorn, starlette and transformers answer "
            f"{theirs:.0f} (hey, 50 clients: {fp32:.1f}x; locust, 15 users: {locust:.1f}x); "
            f"{claims.exactness(summary, 'linnet')}."
        )
    best = claims.best_tuned(summary, "hey-50")
    int8, tuned = _against(summary, "linnet-int8", "python", "hey-50"), _against(summary, "linnet-int8", best, "hey-50")
    if int8 and tuned:
        lines.append(
            f"In int8 it answers {summary.rate('linnet-int8', 'hey-50'):.0f}: {int8:.1f}x the Python service, "
            f"{tuned:.2f}x the best onnxruntime int8 service; {claims.exactness(summary, 'linnet-int8')}."
        )
    ffi, rust = (
        _against(summary, "linnet-ffi", "python", "hey-50"),
        _against(summary, "linnet-ffi", "rust-release", "hey-50"),
    )
    if ffi and rust:
        lines.append(
            f"Calling the same pipeline in Python, linnet answers {ffi:.2f}x what the Python service does and {rust:.2f}x "
            "what Rust with PyO3 does."
        )
    return lines


def verdicts(summary):
    """-> one sentence that counts, and names what does not hold"""
    found = claims.claims(summary)
    held = sum(claim.verdict == claims.HOLDS for claim in found)
    ties = sum(claim.verdict == claims.TIED for claim in found)
    not_held = [claim for claim in found if claim.verdict == claims.FAILS]
    unknown = sum(claim.verdict == claims.UNKNOWN for claim in found)
    text = (
        f"Of {len(found)} things it set out to show, {held} hold, {ties} are ties, {len(not_held)} do not hold, "
        f"{unknown} were not measured."
    )
    if not_held:
        text += (
            " Not holding: "
            + "; ".join(
                f"{claim.text.removeprefix('... ')} ({claim.measured}, wanted {claim.wanted})" for claim in not_held
            )
            + "."
        )
    return text


def disturbance(summary):
    disturbed, count = summary.disturbed()
    if not disturbed:
        return f"None of {count} measurements was disturbed: other load stayed below 5 % of a core."
    return (
        f"{disturbed} of {count} measurements were disturbed († in the tables): something else took more than 5 % of a "
        "core meanwhile. Their figures say more about the machine than about the service; take no ratio from them."
    )


def settings(summary):
    """-> lines about how it was run"""
    head = summary.head
    rounds = head.get("rounds_done", 0)
    lines = [
        f"{rounds} round{'s' * (rounds != 1)}, {head.get('measuring_seconds', 0) / 60:.0f} minutes; {head['pinning']}. "
        "Services ran one after the other, each started anew in every round, warmed up, and checked before anything was timed.",
        disturbance(summary),
    ]
    if head["plan"] == "quick":
        lines.insert(0, "A quick run: short loads, one round. It shows that everything works; its figures are rough.")
    if head.get("stopped"):
        lines.append(f"Stopped after {head['stopped']}.")
    if head["device"] != "cpu":
        lines.append(
            f"Python, Rust and FFI rows compute on {head['device']}; linnet's native engine and onnxruntime compute on the CPU."
        )
    late = [m for m in summary.results["measurements"] if m.get("in_time") is False]
    if late:
        lines.append(
            "Cut off, because it took too long: " + ", ".join(f"{m['contestant']} ({m['load']})" for m in late) + "."
        )
    busy = [m for m in summary.results["measurements"] if m.get("settled") is False]
    if busy:
        names = ", ".join(f"{m['contestant']} ({m['load']})" for m in busy)
        lines.append(f"Still computing for clients that had left when its load began: {names}.")
    return lines
