#!/usr/bin/env python3
"""The engine against onnxruntime, OpenVINO, the hand-written yardstick and the machine's own limits: docs/performance.md.

    python3 bench/engine/compare.py build/release [--rounds 5] [--threads 2] [--model DIR] [--quick | --publish]

Makes what it needs: a virtual environment with the peers in ~/.cache/linnet/bench-venv, a model of DistilBERT-base's shape with
random weights in build/bench, exports of it. All contestants take turns within a round, each with the same number of threads; a
ratio is taken within a round, and the median of the rounds counts. Prints a Markdown table, and writes it with all that was measured
to build/bench/engine/MODEL/; with --publish also into docs/performance.md. Wants hey. What a machine or a build lacks (AVX-512, bf16) is named in its row, and the rest goes on.
A round is meant to take about 3 minutes on two idle cores; --quick is one short round, to see that all of it works.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report
from contestants import ROOT, Linnet, Peer, Refused, Server, attention_kernels, make_model, venv_python, yardstick

PRECISIONS = ("int8", "bf16", "fp32")
PEERS = ("onnxruntime-int8", "onnxruntime-fp32", "openvino-int8", "openvino-fp32")
TORCH = Path.home() / ".cache/linnet/torch-venv/bin/python"
TEXTS = 40  # whose logits are compared
BEGIN, END = "<!-- begin: written by bench/engine/compare.py --publish -->", "<!-- end -->"

TRANSFORMERS = """
import json, sys, torch, transformers
model = transformers.AutoModelForSequenceClassification.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
with torch.no_grad():
    print(json.dumps([model(torch.tensor([ids])).logits[0].tolist() for ids in json.load(sys.stdin)]))
"""


def busy_ticks():
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return user + nice + system + irq + softirq + steal


def cores_busy_with_others(seconds=0.5):
    """While nothing of ours computes."""
    before, begin = busy_ticks(), time.monotonic()
    time.sleep(seconds)
    return (busy_ticks() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - begin)


def attempt(results, key, measure):
    """Keeps what `measure` returns among the results of `key`, or why it refused."""
    try:
        results[key] = measure()
    except Refused as refused:
        results[key] = {"refused": str(refused)}
    print(".", end="", file=sys.stderr, flush=True)


def measure_linnet(linnet, precision, seconds):
    short = linnet.bench(precision, "15", "1,4,32,34", 20 * seconds)
    long = linnet.bench(precision, "128,512", "1", 14 * seconds)
    short["cases"].update({key: case for key, case in long["cases"].items() if key[0] == "texts"})
    return short


def measure_peer(peer, mixed, seconds):
    answers = {"one": peer.ask(do="texts", batch=1, tokens=15, seconds=seconds), "batch": peer.ask(do="texts", batch=32, tokens=15, seconds=2 * seconds)}
    for order in ("padded", "sorted") if mixed else ():
        answers[order] = peer.ask(do="mixed", sorted=order == "sorted", seconds=3 * seconds)
    return answers


def measure_service(linnet, precision, budget, seconds):
    with Server(linnet, precision) as server:
        server.hey(50, 2 * seconds)  # warms up, and lets the budget be learned
        answers = {clients: server.hey(clients, 3 * seconds) for clients in (50, 16, 256)}
        answers["info"] = server.info()
    with Server(linnet, precision, "--batch-tokens", budget) as server:
        server.hey(50, seconds)
        answers["pinned"] = {**server.hey(50, 3 * seconds), "batch_tokens": budget}
    return answers


def measure_round(linnet, peers, cache, options):
    seconds, results = options.seconds, {"others": cores_busy_with_others()}
    for precision in PRECISIONS:
        attempt(results, ("linnet", precision), lambda: measure_linnet(linnet, precision, seconds))
        for name in (name for name in PEERS if name.endswith(precision)):
            attempt(results, name, (lambda: measure_peer(peers[name], name.startswith("onnxruntime"), seconds)) if isinstance(peers[name], Peer) else lambda: peers[name])
        ours = results["linnet", precision]
        if "refused" in ours:
            results["service", precision] = ours
            continue
        attempt(results, ("service", precision), lambda: measure_service(linnet, precision, ours["batch_tokens"], seconds))
    attempt(results, "yardstick", lambda: yardstick(options.yardstick / "hand.c", cache))
    attempt(results, "attention", lambda: attention_kernels(options.build, options.yardstick / "attn.c", cache))
    return results


def greatest_difference(some, others):
    return max(abs(a - b) for row, other in zip(some, others) for a, b in zip(row, other))


def compare_logits(linnet, peers):
    """-> {name: greatest difference of a logit to linnet in fp32}, which is itself held against transformers where that is here"""
    lines = (ROOT / "tests/golden/texts.jsonl").read_text().splitlines()
    texts = [row["text"] for row in map(json.loads, lines) if "text_pair" not in row and 0 < len(row["text"]) < 400][:TEXTS]
    ids, fp32, differences = linnet.ids(texts), linnet.logits("fp32", texts), {}
    for name, peer in peers.items():
        if isinstance(peer, Peer):
            differences[name] = greatest_difference(peer.ask(do="logits", ids=ids)["logits"], fp32)
    for precision in ("int8", "bf16"):
        with contextlib.suppress(Refused):
            differences[f"linnet {precision}"] = greatest_difference(linnet.logits(precision, texts), fp32)
    if TORCH.exists():
        done = subprocess.run([TORCH, "-c", TRANSFORMERS, linnet.model], input=json.dumps(ids), capture_output=True, text=True, check=True)
        differences["transformers"] = greatest_difference(json.loads(done.stdout), fp32)
    for name in ("onnxruntime-fp32", "openvino-fp32", "transformers"):
        if differences.get(name, 0) > 1e-4:
            raise SystemExit(f"{name} computes something else: a logit differs by {differences[name]:.2g}")
    return differences


def open_peers(running, model, cache, threads):
    peers = {}
    for name in PEERS:
        print(f"\r\033[K{name} (its export and quantisation take a minute the first time)", end="", file=sys.stderr, flush=True)
        try:
            peers[name] = Peer(name, model, cache, threads, cache / f"{name}.log")
            running.callback(peers[name].close)
        except Refused as refused:
            peers[name] = {"refused": str(refused)}
    return peers


def publish(text):
    page = ROOT / "docs/performance.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{rest.split(END)[1]}")


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=lambda path: Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1, help="of the shortest measurement")
    parser.add_argument("--model", type=Path, default=ROOT / "build/bench/distilbert-shape")
    parser.add_argument("--yardstick", type=Path, default=ROOT.parent / "shared/yardstick")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="one short round")
    extent.add_argument("--publish", action="store_true", help="write the table into docs/performance.md")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 0.3
    cache = ROOT / "build/bench/engine" / options.model.name
    cache.mkdir(parents=True, exist_ok=True)
    venv_python()
    linnet = Linnet(options.build, make_model(options.model), options.threads)
    rounds = []
    with contextlib.ExitStack() as running:
        peers = open_peers(running, linnet.model, cache, options.threads)
        names = {name: peer.name for name, peer in peers.items() if isinstance(peer, Peer)}
        differences = compare_logits(linnet, peers)
        for number in range(options.rounds):
            print(f"\r\033[Kround {number + 1} of {options.rounds} ", end="", file=sys.stderr, flush=True)
            rounds.append(measure_round(linnet, peers, cache, options))
    print("\r\033[K", end="", file=sys.stderr)
    head = {"machine": machine(), "threads": options.threads, "date": time.strftime("%Y-%m-%d"), "names": names, "differences": differences,
            "command": " ".join(["python3", *sys.argv])}  # fmt: skip
    text = report.render(head, rounds)
    (cache / "report.md").write_text(text)
    (cache / "rounds.json").write_text(json.dumps({"head": head, "rounds": report.plain(rounds)}, indent=1))
    if options.publish:
        publish(text)
    print(text)


if __name__ == "__main__":
    main()
