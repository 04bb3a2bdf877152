"""Rounds of measurements to a Markdown table: what was measured, what it must reach, and whether it does."""

import statistics

TOKENS = 15  # of the origin's request


class Missing(Exception):
    """A row that cannot be filled; the message says why."""


def get(results, key):
    found = results[key]
    if "refused" in found:
        raise Missing(f"{key if isinstance(key, str) else ' '.join(key)}: {found['refused']}")
    return found


def case(results, precision, kind, texts, tokens):
    found = get(results, ("linnet", precision))["cases"][kind, texts, tokens]
    if found["left_out"]:
        of = "a batch" if kind == "texts" else "the set"
        raise Missing(f"left out, about {found['foreseen_seconds']:.3g} s {of}: give more --seconds")
    return found


def texts_of(results, precision, texts, tokens):
    return case(results, precision, "texts", texts, tokens)


# --- Rows: each takes one round's results and returns (ours, theirs, ratio), or the ratio alone with None for both


def latency_against(peer, precision, texts, what):
    def row(results):
        ours, theirs = texts_of(results, precision, texts, TOKENS)["median_ms"], get(results, peer)[what]["median_ms"]
        return ours, theirs, theirs / ours

    return row


def mixed_against(peer, precision, order):
    def row(results):
        ours = case(results, precision, "mixed_by_texts", 32, None)["tokens_per_second"]
        theirs = get(results, peer)[order]["tokens_per_second"]
        return ours, theirs, ours / theirs

    return row


def gemm_against_yardstick(precision, texts, tokens, rows):
    def row(results):
        theirs = get(results, "yardstick")[precision, rows]
        ours = texts_of(results, precision, texts, tokens)["gemm_gops"]
        return ours, theirs, ours / theirs

    return row


def pass_over_gemm(precision, texts, tokens):
    def row(results):
        found = texts_of(results, precision, texts, tokens)
        return found["median_ms"], found["gemm_ms"], found["pass_over_gemm"]

    return row


def attention_of_peak(tokens):
    def row(results):
        found = texts_of(results, "fp32", 1, tokens)
        if found["attention_of_peak"] is None:
            raise Missing("this path has no peak")
        return None, None, found["attention_of_peak"]

    return row


def attention_alone(tokens):
    def row(results):
        return None, None, get(results, "attention")["ours"][tokens][1]

    return row


def attention_against_yardstick(tokens):
    def row(results):
        found = get(results, "attention")
        ours, theirs = found["ours"][tokens][0], found["theirs"][tokens]
        return ours, theirs, ours / theirs

    return row


def service_of_peak(precision, what):
    def row(results):
        rate = get(results, ("service", precision))[what]["rate"]
        ours = get(results, ("linnet", precision))
        if not ours["peak_gops"]:
            raise Missing("this path has no peak")
        limit = ours["peak_gops"] * 1e9 / (TOKENS * ours["operations_per_token"])
        return rate, limit, rate / limit

    return row


def many_clients(precision):
    def row(results):
        service = get(results, ("service", precision))
        return service[256]["rate"], service[16]["rate"], service[256]["rate"] / service[16]["rate"]

    return row


def tail(precision):
    def row(results):
        found = get(results, ("service", precision))[16]
        return found["p99"], found["p50"], found["p99"] / found["p50"]

    return row


AT_LEAST, AT_MOST = "≥", "≤"

# what, unit of ours and theirs, row, direction, bar
ROWS = [
    *[(f"GEMM in the pass vs hand.c, {precision}, {texts * tokens} rows", "Gop/s", gemm_against_yardstick(precision, texts, tokens, rows), AT_LEAST, 0.95)
      for precision in ("int8", "bf16", "fp32") for texts, tokens, rows in ((1, 15, 15), (4, 15, 60), (1, 128, 128), (34, 15, 512))],
    *[(f"pass vs its GEMM, {precision}, {texts} x 15 tokens", "ms", pass_over_gemm(precision, texts, 15), AT_MOST, bar)
      for precision, texts, bar in (("int8", 4, 1.20), ("fp32", 4, 1.08), ("int8", 34, 1.15), ("fp32", 34, 1.06))],
    ("pass vs its GEMM, int8, one text of 512 tokens", "ms", pass_over_gemm("int8", 1, 512), AT_MOST, 1.5),
    *[(f"attention in the pass, fp32, {tokens} tokens, of the FMA peak", "", attention_of_peak(tokens), AT_LEAST, 0.70) for tokens in (128, 512)],
    *[(f"attention's kernel alone, one thread, {tokens} tokens, of the FMA peak", "", attention_alone(tokens), AT_LEAST, 0.70) for tokens in (128, 512)],
    *[(f"HTTP c = 50, {precision}, of the peak ({how})", "req/s", service_of_peak(precision, what), AT_LEAST, bar)
      for precision, bar in (("int8", 0.65), ("bf16", 0.65), ("fp32", 0.74)) for what, how in ((50, "budget learned"), ("pinned", "budget pinned"))],
    ("one 15-token text vs onnxruntime int8, dynamic", "ms", latency_against("onnxruntime-int8", "int8", 1, "one"), AT_LEAST, 1.5),
    ("one 15-token text vs onnxruntime fp32", "ms", latency_against("onnxruntime-fp32", "fp32", 1, "one"), AT_LEAST, 1.1),
    ("one 15-token text vs OpenVINO int8, static", "ms", latency_against("openvino-int8", "int8", 1, "one"), AT_LEAST, 1.1),
    ("batches of 32 x 15 vs OpenVINO int8, static", "ms", latency_against("openvino-int8", "int8", 32, "batch"), AT_LEAST, 1.05),
    ("mixed, batches of 32, vs onnxruntime int8, padded", "tokens/s", mixed_against("onnxruntime-int8", "int8", "padded"), AT_LEAST, 2.0),
    ("mixed, batches of 32, vs onnxruntime int8, sorted by length", "tokens/s", mixed_against("onnxruntime-int8", "int8", "sorted"), AT_LEAST, 1.3),
    *[(f"requests/s, {precision}, c = 256 vs c = 16", "req/s", many_clients(precision), AT_LEAST, 1.0) for precision in ("int8", "fp32")],
    *[(f"p99 vs p50, {precision}, c = 16", "ms", tail(precision), AT_MOST, 2.0) for precision in ("int8", "fp32")],
    # No bars, for comparison: where a machine has no int8 path yet, these still tell.
    *[(f"attention's kernel alone, one thread, {tokens} tokens, vs attn.c", "Gop/s", attention_against_yardstick(tokens), None, None) for tokens in (128, 512)],
    ("batches of 32 x 15 vs onnxruntime fp32", "ms", latency_against("onnxruntime-fp32", "fp32", 32, "batch"), None, None),
    ("one 15-token text vs OpenVINO fp32", "ms", latency_against("openvino-fp32", "fp32", 1, "one"), None, None),
    ("batches of 32 x 15 vs OpenVINO fp32", "ms", latency_against("openvino-fp32", "fp32", 32, "batch"), None, None),
    ("mixed, batches of 32, vs onnxruntime fp32, padded", "tokens/s", mixed_against("onnxruntime-fp32", "fp32", "padded"), None, None),
    ("mixed, batches of 32, vs onnxruntime fp32, sorted by length", "tokens/s", mixed_against("onnxruntime-fp32", "fp32", "sorted"), None, None),
]  # fmt: skip


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def verdict(ratio, direction, bar):
    if direction is None:
        return "", ""
    kept = ratio >= bar if direction == AT_LEAST else ratio <= bar
    return f"{direction} {bar:.2f}", "yes" if kept else "**no**"


def render_row(rounds, what, unit, row, direction, bar):
    measured = []
    for results in rounds:
        try:
            measured.append(row(results))
        except Missing as missing:
            return f"| {what} | | | {f'{direction} {bar:.2f}' if direction else ''} | {missing} |"
    ours, theirs, ratios = zip(*measured)
    figures = f"{number(statistics.median(ours))} : {number(statistics.median(theirs))} {unit}" if ours[0] is not None else ""
    ratio = statistics.median(ratios)
    spread = f" ({min(ratios):.2f}-{max(ratios):.2f})" if len(ratios) > 1 else ""
    wanted, kept = verdict(ratio, direction, bar)
    return f"| {what} | {figures} | {ratio:.2f}{spread} | {wanted} | {kept} |"


def render_head(head, rounds):
    ours = next(get for get in (results.get(("linnet", "fp32")) for results in rounds) if get)
    others = [results["others"] for results in rounds]
    lines = [
        f"{head['machine']}; {head['threads']} threads each; {ours.get('isa', 'refused')}; {head['date']}; "
        f"{', '.join(sorted(set(head['names'].values())))}. Medians of {len(rounds)} rounds, in turns.",
        f"Other programs kept {min(others):.2f} to {max(others):.2f} cores busy before the rounds"
        + (": **these figures are disturbed**." if max(others) > 0.05 else "."),
    ]
    for precision in ("int8", "bf16", "fp32"):
        peaks = [results["linnet", precision].get("peak_gops") for results in rounds]
        budgets = [results["linnet", precision].get("batch_tokens") for results in rounds]
        if all(peaks):
            lines.append(f"{precision}: peak {statistics.median(peaks):.0f} Gop/s; `--batch-tokens` to pin: {', '.join(map(str, sorted(set(budgets))))}.")
    return lines


def render(head, rounds):
    lines = render_head(head, rounds)
    lines += ["", "| measured | ours : theirs | ratio (least-most) | must reach | |", "|---|---|---|---|---|"]
    lines += [render_row(rounds, *row) for row in ROWS]
    lines += ["", "| greatest difference of a logit to linnet in fp32 | |", "|---|---|"]
    lines += [f"| {name} | {value:.2g} |" for name, value in sorted(head["differences"].items())]
    return "\n".join(lines) + f"\n\n`{head['command']}`\n"


def plain(rounds):
    """For JSON, whose keys are strings."""
    if isinstance(rounds, dict):
        return {key if isinstance(key, str) else " ".join(map(str, key)) if isinstance(key, tuple) else str(key): plain(value) for key, value in rounds.items()}
    return [plain(value) for value in rounds] if isinstance(rounds, list) else rounds
