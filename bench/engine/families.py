#!/usr/bin/env python3
"""Each family's forward pass beside onnxruntime's, at fp32 and at int8, on the same shapes: docs/performance.md.

    python3 bench/engine/families.py build/release [--families bert,albert] [--rounds 3] [--quick | --publish]

Makes what it needs: the peers' virtual environment in ~/.cache/linnet/bench-venv; of each family a model of its published
shape, cut to a few layers, with random weights, in build/bench/families. onnxruntime gets the graph with its fused operators
(bench/peers/onnx/export.py), or, of a family that is not written there, what its own optimiser makes of torch's export; and
dynamic int8 of that. Both take turns within a round with the same number of threads; a ratio is taken within a round, and the
median of the rounds counts. The export must give linnet's logits within 1e-4. Wants a Python with torch and transformers (LINNET_TRANSFORMERS_PYTHON, or the one in
~/.cache/linnet/torch-venv). With --publish the table goes into docs/performance.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from compare import cores_busy_with_others, greatest_difference, machine
from contestants import HERE, ROOT, Linnet, Peer, Refused, venv_python

TORCH = Path(os.environ.get("LINNET_TRANSFORMERS_PYTHON", Path.home() / ".cache/linnet/torch-venv/bin/python"))
# What torch's exporter wants beside torch, in a folder of its own, so that the venv with torch is left as it is.
EXPORTER = Path.home() / ".cache/linnet/onnx-export"
SHAPES = [(1, 15), (8, 15), (1, 128), (4, 128)]  # texts a batch, tokens a text
MUST = {"fp32": 1.0, "int8": 1.3}  # onnxruntime's time over ours, at least
SENTENCE = "The room was cold, but the staff were kind to us all week. "
TEXTS = ["I love you. I like you. I am your friend.", "good", SENTENCE, 15 * SENTENCE]
BEGIN, END = "<!-- begin: written by bench/engine/families.py --publish -->", "<!-- end of the families -->"


def exporter_environment():
    if not EXPORTER.exists():
        wanted = ["--quiet", "--no-deps", "--target", EXPORTER, "onnx==1.23.2", "ml_dtypes==0.6.0", "protobuf==7.36.2"]
        subprocess.run([TORCH, "-m", "pip", "install", *wanted], check=True)
    return {**os.environ, "PYTHONPATH": str(EXPORTER), "TRANSFORMERS_VERBOSITY": "error"}


def make_model(family, directory):
    if not (directory / "made").exists():
        command = [TORCH, HERE / "family_model.py", family, directory]
        done = subprocess.run(command, env=exporter_environment(), capture_output=True, text=True)
        if done.returncode:
            raise Refused(f"making the model failed: {' '.join(done.stderr.split()[-30:])}")
        (directory / "made").touch()
    return directory


def check_logits(linnet, peer):
    ids, own = linnet.ids(TEXTS), linnet.logits("fp32", TEXTS)
    difference = greatest_difference(peer.ask(do="logits", ids=ids)["logits"], own)
    if difference > 1e-4:
        raise SystemExit(f"{linnet.model}: onnxruntime computes something else: a logit differs by {difference:.2g}")


def measure_linnet(linnet, precision, seconds):
    cases = linnet.bench(precision, "15", "1,8", 4 * seconds)["cases"]
    cases |= linnet.bench(precision, "128", "1,4", 10 * seconds)["cases"]
    found = {shape: cases["texts", *shape] for shape in SHAPES}
    return {shape: None if case["left_out"] else case["median_ms"] for shape, case in found.items()}


def measure_peer(peer, seconds):
    asked = {shape: peer.ask(do="texts", batch=shape[0], tokens=shape[1], seconds=seconds) for shape in SHAPES}
    return {shape: answer["median_ms"] for shape, answer in asked.items()}


def measure_family(family, options):
    """-> {precision: [(ours, theirs) of each round]}, both {shape: ms}"""
    cache = ROOT / "build/bench/families" / family
    linnet = Linnet(options.build, make_model(family, cache / "model"), options.threads)
    peers, rounds = {}, {precision: [] for precision in MUST}
    try:
        for precision in MUST:
            peers[precision] = Peer(f"onnxruntime-{precision}", linnet.model, cache, options.threads, cache / f"{precision}.log")
        check_logits(linnet, peers["fp32"])
        for _ in range(options.rounds):
            for precision, peer in peers.items():
                rounds[precision].append((measure_linnet(linnet, precision, options.seconds), measure_peer(peer, options.seconds)))
                print(".", end="", file=sys.stderr, flush=True)
    finally:
        for peer in peers.values():
            peer.close()
    return rounds


def cell(rounds, shape, must):
    pairs = [(ours[shape], theirs[shape]) for ours, theirs in rounds if ours[shape]]
    if not pairs:
        return "left out: give more --seconds"
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    ours, theirs = (statistics.median(column) for column in zip(*pairs))
    said = f"{ours:.3g} : {theirs:.3g} ms, {ratio:.2f}"
    return said if ratio >= must else f"{said} **no**"


def render(results, options, others):
    """{family: rounds by precision, or why there are none} -> Markdown"""
    lines = [
        f"{machine()}; {options.threads} threads each; {time.strftime('%Y-%m-%d')}; medians of {options.rounds} rounds, in turns."
        f" Other programs kept {min(others):.2f} to {max(others):.2f} cores busy before each family.",
        "",
        f"| family | precision | must reach | {' | '.join(f'{texts} x {tokens} tokens' for texts, tokens in SHAPES)} |",
        "|---" * (3 + len(SHAPES)) + "|",
    ]
    for family, rounds in results.items():
        if isinstance(rounds, str):
            lines.append(f"| {family} | | | {rounds} {'| ' * len(SHAPES)}|")
            continue
        for precision, must in MUST.items():
            cells = " | ".join(cell(rounds[precision], shape, must) for shape in SHAPES)
            lines.append(f"| {family} | {precision} | {must} | {cells} |")
    return "\n".join([*lines, "", f"`{' '.join(['python3', *sys.argv])}`"]) + "\n"


def publish(text):
    page = ROOT / "docs/performance.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def known_families():
    listed = subprocess.run([TORCH, "-c", "import family_model; print(*family_model.FAMILIES)"], cwd=HERE, capture_output=True,
                            text=True, check=True)  # fmt: skip
    return listed.stdout.split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda path: Path(path).resolve())
    parser.add_argument("--families", help="names with commas between; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1, help="of one measurement")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="one short round")
    extent.add_argument("--publish", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    if not TORCH.exists():
        sys.exit(f"{TORCH} is not there: exporting a model wants a Python with torch and transformers")
    if options.quick:
        options.rounds, options.seconds = 1, 0.3
    venv_python()
    results, others = {}, []
    for family in options.families.split(",") if options.families else known_families():
        print(f"\r\033[K{family} ", end="", file=sys.stderr, flush=True)
        others.append(cores_busy_with_others())
        try:
            results[family] = measure_family(family, options)
        except Refused as refused:
            results[family] = str(refused)
    print("\r\033[K", end="", file=sys.stderr)
    text = render(results, options, others)
    kept = {family: rounds if isinstance(rounds, str) else {name: [[[*ours.values()], [*theirs.values()]] for ours, theirs in pairs]
            for name, pairs in rounds.items()} for family, rounds in results.items()}  # fmt: skip
    (ROOT / "build/bench/families/rounds.json").write_text(json.dumps({"shapes": SHAPES, "rounds": kept}, indent=1))
    if options.publish:
        publish(text)
    print(text)


if __name__ == "__main__":
    main()
