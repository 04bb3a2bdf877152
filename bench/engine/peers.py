"""One peer of the native engine, measured in a process of its own: peers.py KIND MODEL CACHE THREADS.

Reads requests as JSON lines and answers each with one: a peer loads once and is then measured in turns with the others.
    {"do": "texts", "batch": 32, "tokens": 15, "seconds": 2} -> {"median_ms", "repeats"}
    {"do": "mixed", "sorted": true, "seconds": 5}            -> {"tokens_per_second", "repeats"}: real tokens, not padding
    {"do": "logits", "ids": [[...], ...]}                    -> {"logits"}: one text at a time
"""

import json
import logging
import os
import random
import statistics
import sys
import time
from pathlib import Path

import numpy
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers/onnx"))
import export  # noqa: E402

# As `linnet bench` has it: texts of 5 to 120 words, evenly spread, a token each, between [CLS] and [SEP]. The set is
# repeated, so that sorting by length has something to sort.
MIXED_LENGTHS = [5 + 115 * (text * 13 % 32) // 31 + 2 for text in range(32)]
MIXED_COPIES = 4
BATCH = 32


def is_newer(path, *sources):
    return path.exists() and path.stat().st_mtime > max(source.stat().st_mtime for source in sources)


def exported(form, directory, cache):
    path = cache / f"{form.__name__.lower()}.onnx"
    if not is_newer(path, directory / "model.safetensors", Path(export.__file__)):
        onnx.save(export.build(directory, form), path)
    return path


def optimised(source, cache):
    """What onnxruntime's own optimiser makes of a graph that torch exported: fused attention, norms and activations."""
    import onnxruntime
    from onnxruntime.transformers import optimizer

    path, folded = cache / "fused.onnx", cache / "folded.onnx"
    if not is_newer(path, source):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(folded)
        onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        optimizer.optimize_model(str(folded), model_type="bert", opt_level=0).save_model_to_file(str(path))
        folded.unlink()
    return path


def has_vnni():
    return "_vnni" in Path("/proc/cpuinfo").read_text()


class OnnxRuntime:
    def __init__(self, directory, cache, threads, int8):
        import onnxruntime

        by_torch = directory / "model.onnx"  # of a family that export.py does not write
        path = optimised(by_torch, cache) if by_torch.exists() else exported(export.Fused, directory, cache)
        if int8:
            path = self.quantised(path, cache)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs = {value.name for value in self.session.get_inputs()}
        self.name = f"onnxruntime {onnxruntime.__version__}"

    def quantised(self, source, cache):
        """Without VNNI u8 x s8 saturates: 7 bits then."""
        path = cache / "fused-int8.onnx"
        if not is_newer(path, source):
            export.quantise(source, path, reduce_range=not has_vnni())
        return path

    def run(self, ids, lengths):
        given = {"ids": ids, "lengths": lengths}
        return self.session.run(None, {name: given[name] for name in self.inputs})[0]


class OpenVino:
    def __init__(self, directory, cache, threads, int8):
        import openvino

        core = openvino.Core()
        if int8:
            net = core.read_model(self.quantised(directory, cache))
        else:
            net = core.read_model(exported(export.Standard, directory, cache))
        settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        if not int8:
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        self.compiled = core.compile_model(net, "CPU", settings)
        self.request = self.compiled.create_infer_request()
        self.name = f"OpenVINO {openvino.__version__.split('-')[0]}"

    def quantised(self, directory, cache):
        """Static, with NNCF's settings for transformers, calibrated on texts like those that are measured."""
        os.environ["NNCF_CI"] = "1"  # no telemetry
        import nncf
        import openvino

        path, source = cache / "standard-int8.xml", exported(export.Standard, directory, cache)
        if not is_newer(path, source):
            net = openvino.Core().read_model(source)
            texts = [dict(zip(("ids", "lengths"), padded([make_text(length, seed)]))) for seed, length in enumerate(MIXED_LENGTHS * 4)]
            openvino.save_model(nncf.quantize(net, nncf.Dataset(texts), model_type=nncf.ModelType.TRANSFORMER), path)
        return path

    def run(self, ids, lengths):
        return self.request.infer({"ids": ids, "lengths": lengths})[0].copy()


def make_text(tokens, seed):
    return numpy.random.default_rng(seed).integers(1000, 30000, tokens).tolist()


def padded(texts):
    """-> ids [texts, longest], lengths [texts]"""
    lengths = numpy.array([len(text) for text in texts], "int32")
    ids = numpy.zeros((len(texts), lengths.max()), "int64")
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
    return ids, lengths


def repeat(work, seconds, warm_ups=2, least=3):
    """-> seconds of each call of `work`"""
    for _ in range(warm_ups):
        work()
    taken, end = [], time.monotonic() + seconds
    while len(taken) < least or time.monotonic() < end:
        begin = time.perf_counter()
        work()
        taken.append(time.perf_counter() - begin)
    return taken


def measure_texts(peer, batch, tokens, seconds):
    ids, lengths = padded([make_text(tokens, seed) for seed in range(batch)])
    taken = repeat(lambda: peer.run(ids, lengths), seconds)
    return {"median_ms": statistics.median(taken) * 1e3, "repeats": len(taken)}


def measure_mixed(peer, sort, seconds):
    lengths = MIXED_LENGTHS * MIXED_COPIES
    random.Random(1).shuffle(lengths)
    if sort:
        lengths.sort()
    texts = [make_text(length, seed) for seed, length in enumerate(lengths)]
    batches = [padded(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]

    def work():
        for ids, lengths in batches:
            peer.run(ids, lengths)

    taken = repeat(work, seconds, warm_ups=1, least=2)  # each call is four batches
    return {"tokens_per_second": sum(lengths) / statistics.median(taken), "repeats": len(taken)}


def answer(peer, request):
    if request["do"] == "texts":
        return measure_texts(peer, request["batch"], request["tokens"], request["seconds"])
    if request["do"] == "mixed":
        return measure_mixed(peer, request["sorted"], request["seconds"])
    return {"logits": [peer.run(*padded([ids]))[0].tolist() for ids in request["ids"]]}


KINDS = {"onnxruntime-fp32": (OnnxRuntime, False), "onnxruntime-int8": (OnnxRuntime, True),
         "openvino-fp32": (OpenVino, False), "openvino-int8": (OpenVino, True)}  # fmt: skip


def main():
    kind, directory, cache, threads = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    logging.disable(logging.WARNING)
    cache.mkdir(parents=True, exist_ok=True)
    make, int8 = KINDS[kind]
    peer = make(directory, cache, threads, int8)
    print(json.dumps({"name": peer.name}), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(peer, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
