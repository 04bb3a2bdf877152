"""What a Python worker of linnet runs: answers batches from a socket with a transformers pipeline or a user's script.

main(fd) is called with a stream socket by linnet-pyworker (embedded) or by an interpreter that runs this file. docs/ffi.md
describes the frames. Only the standard library is needed until a model is loaded. Descriptor 1 is the log here (the starter
made it so), so nothing that Python or an extension prints can reach the socket.
"""

import copy
import difflib
import faulthandler
import importlib.util
import json
import os
import socket
import struct
import sys
import time
import traceback

MAGIC = b"LNF\x01"
HEADER = struct.Struct("<4sII")
MAX_PAYLOAD = 256 << 20
LOAD, HELLO, READY, FAILED, BATCH, RESULTS = range(1, 7)

# Statuses of one item in RESULTS.
ANSWERED, RAISED, BAD_INPUT, NOT_FINITE = range(4)
RESULTS_HEAD = struct.Struct("<QI")
ITEM_HEAD = struct.Struct("<BI")

# How an item was sent: among others in a list; alone, not in a list; alone in a list; or as a request's whole "inputs".
IN_LIST, SINGLE, ONLY_IN_LIST, WHOLE = range(4)

# The class of each task's model ends so (transformers' own naming); feature extraction takes any model's body.
HEADS = {
    "text-classification": "ForSequenceClassification",
    "zero-shot-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "fill-mask": "ForMaskedLM",
}
BATCHED_TASKS = (*HEADS, "feature-extraction")


class StartFailure(Exception):
    """Why the worker cannot serve: one line, with what to do about it."""


class Channel:
    def __init__(self, fd):
        os.set_inheritable(fd, False)
        self.socket = socket.socket(fileno=fd)
        self.socket.setblocking(True)

    def _receive(self, length):
        payload = bytearray(length)
        view = memoryview(payload)
        while view:
            received = self.socket.recv_into(view)
            if received == 0:
                return None
            view = view[received:]
        return payload

    def read(self):
        """-> (type, payload), or (None, None) when linnet is gone"""
        header = self._receive(HEADER.size)
        if header is None:
            return None, None
        magic, kind, length = HEADER.unpack(header)
        if magic != MAGIC or length > MAX_PAYLOAD:
            raise StartFailure(f"what linnet sent begins with {bytes(header[:4])!r} and says {length} bytes: no frame")
        payload = self._receive(length)
        return (None, None) if payload is None else (kind, payload)

    def write(self, kind, payload):
        self.socket.sendall(HEADER.pack(MAGIC, kind, len(payload)) + payload)


# --- Values to JSON


def _plain(value):
    """numpy's and torch's scalars and arrays"""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a result holds a {type(value).__name__}, which JSON lacks")


def encode(value):
    text = json.dumps(value, default=_plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can say
        return json.dumps(value, default=_plain, allow_nan=False, separators=(",", ":")).encode()


def _has_not_finite(value):
    try:
        json.dumps(value, default=_plain)
    except Exception:
        return False
    return True


def answer(value):
    """-> (status, bytes) of one item"""
    try:
        encoded = encode(value)
    except ValueError as error:
        if _has_not_finite(value):
            return NOT_FINITE, b"the result is NaN or infinite"
        return raised(error)
    except Exception as error:
        return raised(error)
    return ANSWERED, encoded


def raised(error, status=RAISED):
    """-> (status, bytes) of an item: the traceback goes to the log only"""
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    return status, one_line(error).encode(errors="replace")


def failure(error):
    """The same of one whose computation raised: a wrong type or value is taken for the input's."""
    return raised(error, BAD_INPUT if isinstance(error, (TypeError, ValueError)) else RAISED)


def one_line(error):
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


# --- What computes


class PipelineModel:
    def __init__(self, options):
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        if options["threads"]:
            os.environ["OMP_NUM_THREADS"] = str(options["threads"])
        transformers, torch = _import_transformers()
        if not sys.stderr.isatty():
            transformers.utils.logging.disable_progress_bar()
        if options["threads"] and torch:
            torch.set_num_threads(options["threads"])
        self.task = options["task"] or _task_of(transformers, options)
        _check_task(transformers, self.task)
        _check_device(torch, options["device"])
        self.pipe = _open_pipeline(transformers, torch, self.task, options)
        _check_head(self.pipe, self.task, options["model"])
        self.batches = self.task in BATCHED_TASKS
        self.transformers = transformers.__version__
        self._warm_up()

    def _warm_up(self):
        """The first call is many times slower than the rest. What a custom pipeline says to it does not matter."""
        extra = {"candidate_labels": ["a"]} if self.task == "zero-shot-classification" else {}
        mask = getattr(getattr(self.pipe, "tokenizer", None), "mask_token", None)
        text = mask if self.task == "fill-mask" and mask else "warm up"
        if self.batches:
            try:
                self.pipe(text, **extra)
            except Exception as error:
                print(f"linnet: the warm-up call failed: {one_line(error)}", file=sys.stderr)

    def describe(self):
        config = self.pipe.model.config
        labels = getattr(config, "id2label", None) or {}
        limit = getattr(getattr(self.pipe, "tokenizer", None), "model_max_length", 0) or 0
        parameters = getattr(self.pipe.model, "num_parameters", lambda: 0)()
        return {
            "task": self.task,
            "batches": self.batches,
            "model_type": getattr(config, "model_type", "") or "",
            "architecture": type(self.pipe.model).__name__,
            "labels": [str(labels[key]) for key in sorted(labels)] if "ForSequence" in HEADS.get(self.task, "") else [],
            "mask_token": getattr(getattr(self.pipe, "tokenizer", None), "mask_token", None),
            "max_tokens": limit if limit < 1 << 30 else 0,
            "dtype": str(getattr(self.pipe.model, "dtype", "")).replace("torch.", ""),
            "device": str(getattr(self.pipe, "device", "")),
            "parameters": parameters,
            "library": f"transformers {self.transformers}",
        }

    def _call(self, inputs, parameters, **more):
        """Pipelines change the dictionaries that they are given."""
        return self.pipe(inputs, **copy.deepcopy(parameters), **more)

    def run(self, inputs, parameters):
        """-> the results of inputs that were sent apart from each other"""
        if len(inputs) > 1:
            results = self._call(inputs, parameters, batch_size=len(inputs))
            return self._cut_padding(inputs, results, parameters) if self.task == "feature-extraction" else results
        result = self._call(inputs[0], parameters)
        return [result[0] if self._wraps_single(inputs[0], parameters) else result]

    def _cut_padding(self, inputs, results, parameters):
        """In a batch, feature extraction returns rows for pad tokens too, which it does not for a text alone."""
        left = self.pipe.tokenizer.padding_side == "left"
        how = self.pipe._sanitize_parameters(**copy.deepcopy(parameters))[0]
        cut = []
        for value, result in zip(inputs, results, strict=True):
            tokens = self.pipe.preprocess(value, **how)["input_ids"].shape[1]
            rows = result[0]
            cut.append([rows[len(rows) - tokens :] if left else rows[:tokens]])
        return cut

    def run_whole(self, inputs, parameters):
        return self._call(inputs, parameters)

    def _wraps_single(self, value, parameters):
        """TextClassificationPipeline.__call__ puts the result of a lone string into a list."""
        return self.task == "text-classification" and isinstance(value, str) and "top_k" not in parameters

    def shape(self, form, value, result, parameters):
        """-> what pipe(value), or pipe([value]), would have returned"""
        if form == SINGLE:
            return [result] if self._wraps_single(value, parameters) else result
        if form == ONLY_IN_LIST:  # FillMaskPipeline.__call__ takes the result out of the list again
            return result if self.task == "fill-mask" else [result]
        return result


class ScriptModel:
    """A user's script: load(), if it has one, is called once; predict(batch, **parameters) returns a result for each."""

    def __init__(self, options):
        path = options["script"]
        if options["threads"]:
            os.environ["OMP_NUM_THREADS"] = str(options["threads"])
        if not os.path.isfile(path):
            raise StartFailure(f"--worker-script {path}: no such file")
        sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
        spec = importlib.util.spec_from_file_location("linnet_worker_script", path)
        if spec is None:
            raise StartFailure(f"--worker-script {path}: is not a Python file, want a name that ends in .py")
        self.module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = self.module
        try:
            spec.loader.exec_module(self.module)
            if not callable(getattr(self.module, "predict", None)):
                raise StartFailure(f"--worker-script {path}: has no predict(batch)")
            if hasattr(self.module, "load"):
                self.module.load()
        except StartFailure:
            raise
        except BaseException as error:
            traceback.print_exception(error, file=sys.stderr)
            raise StartFailure(f"--worker-script {path}: {one_line(error)} (the traceback is in the log)") from None
        self.options = options

    def describe(self):
        return {
            "task": self.options["task"] or "custom",
            "batches": True,
            "model_type": "script",
            "architecture": os.path.basename(self.options["script"]),
            "labels": [],
            "max_tokens": 0,
            "dtype": self.options["dtype"] or "",
            "device": self.options["device"],
            "parameters": 0,
            "library": "",
        }

    def run(self, inputs, parameters):
        results = self.module.predict(inputs, **parameters)
        if not hasattr(results, "__len__") or isinstance(results, (str, bytes, dict)):
            raise RuntimeError(f"predict() returned a {type(results).__name__}, want a list with a result for each input")
        if len(results) != len(inputs):
            raise RuntimeError(f"predict() returned {len(results)} results for {len(inputs)} inputs")
        return results

    def run_whole(self, inputs, parameters):
        return self.run([inputs], parameters)[0]

    def shape(self, form, value, result, parameters):
        return [result] if form == ONLY_IN_LIST else result


# --- Opening a pipeline, with errors that say what to do


def _import_transformers():
    missing = [name for name in ("transformers", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        raise StartFailure(f"{sys.executable} has no {' and no '.join(missing)}: {sys.executable} -m pip install {' '.join(missing)}")
    import torch
    import transformers

    return transformers, torch


def _revision(options):
    return {"revision": options["revision"]} if options["revision"] else {}


def _task_of(transformers, options):
    config = _checked(
        options["model"],
        lambda: transformers.AutoConfig.from_pretrained(
            options["model"], trust_remote_code=options["trust_remote_code"], **_revision(options)),
    )
    architectures = getattr(config, "architectures", None) or []
    for task, head in HEADS.items():
        if any(name.endswith(head) for name in architectures):
            return task
    if any(name.endswith("Model") for name in architectures):
        return "feature-extraction"
    raise StartFailure(f"model {options['model']}: its task is not clear from its architectures {architectures}, say --task NAME")


def _check_task(transformers, task):
    from transformers.pipelines import PIPELINE_REGISTRY

    known = list(PIPELINE_REGISTRY.get_supported_tasks())
    if task in known or task.startswith("translation_"):
        return
    near = difflib.get_close_matches(task, known, 1)
    hint = f"did you mean --task {near[0]}?" if near else "want one of " + ", ".join(sorted(known))
    raise StartFailure(f'task "{task}" is unknown to transformers {transformers.__version__}; {hint}')


def _check_device(torch, device):
    try:
        torch.empty(1, device=device)
    except Exception as error:
        raise StartFailure(f"--device {device}: {one_line(error)}; --device cpu works everywhere") from None


def _checked(model, load):
    try:
        return load()
    except StartFailure:
        raise
    except Exception as error:
        traceback.print_exception(error, file=sys.stderr)
        hint = ""
        if isinstance(error, OSError) and not os.path.exists(model):
            hint = "; give a directory that has config.json, or fetch the model first: hf download " + model
        elif "trust_remote_code" in str(error):
            hint = "; if you trust that code, add --trust-remote-code"
        raise StartFailure(f"model {model}: {one_line(error)[:300]}{hint}") from None


def _open_pipeline(transformers, torch, task, options):
    arguments = {"model": options["model"], "device": options["device"], "trust_remote_code": options["trust_remote_code"],
                 **_revision(options)}
    if options["dtype"]:
        dtype = "auto" if options["dtype"] == "auto" else getattr(torch, options["dtype"], None)
        if dtype != "auto" and not isinstance(dtype, torch.dtype):
            raise StartFailure(f'--dtype "{options["dtype"]}" is no type of torch, want float32, float16, bfloat16 or auto')
        # Its name before transformers 4.56.
        old = tuple(int(part) for part in transformers.__version__.split(".")[:2]) < (4, 56)
        arguments["torch_dtype" if old else "dtype"] = dtype
    return _checked(options["model"], lambda: transformers.pipeline(task, **arguments))


def _check_head(pipe, task, model):
    """transformers loads a model into another task's class with random weights and only a warning."""
    architectures = getattr(pipe.model.config, "architectures", None) or []
    head = HEADS.get(task)
    if head and architectures and not any(name.endswith(head) for name in architectures):
        fitting = [other for other, ending in HEADS.items() if any(name.endswith(ending) for name in architectures)]
        hint = f"try --task {fitting[0]}" if fitting else "try --task feature-extraction"
        raise StartFailure(f"model {model} is a {architectures[0]}, the task {task} needs a model {head}: {hint}")


# --- Batches


def run_items(model, forms, inputs, parameters):
    """-> [(status, bytes)]; where the batch raises, its items are run one by one, so that only the guilty one fails"""
    apart = [index for index, form in enumerate(forms) if form != WHOLE]
    answers = {}
    try:
        if len(apart) > 1:
            for index, result in zip(apart, model.run([inputs[index] for index in apart], parameters), strict=True):
                answers[index] = answer(model.shape(forms[index], inputs[index], result, parameters))
    except BaseException as error:
        print(f"linnet: a batch of {len(apart)} raised {one_line(error)}; running its items one by one", file=sys.stderr)
        answers = {}
    return [answers.get(index) or run_one(model, form, inputs[index], parameters) for index, form in enumerate(forms)]


def run_one(model, form, value, parameters):
    try:
        if form == WHOLE:
            return answer(model.run_whole(value, parameters))
        return answer(model.shape(form, value, model.run([value], parameters)[0], parameters))
    except BaseException as error:  # SystemExit too: a script that exits fails its request, not its neighbours
        return failure(error)


def run_batch(model, payload):
    begin = time.perf_counter_ns()
    batch = json.loads(payload)
    answers = run_items(model, batch["forms"], batch["inputs"], batch["parameters"])
    most = MAX_PAYLOAD // len(answers) - 64  # a share of the frame, less what surrounds it
    parts = []
    for status, body in answers:
        if len(body) > most:
            status, body = RAISED, f"the result has {len(body)} bytes, a batch of {len(answers)} takes {most} each".encode()
        parts.append(ITEM_HEAD.pack(status, len(body)) + body)
    return RESULTS_HEAD.pack(time.perf_counter_ns() - begin, len(parts)) + b"".join(parts)


def open_model(channel):
    channel.write(HELLO, json.dumps({"python": sys.version.split()[0], "executable": sys.executable}).encode())
    kind, payload = channel.read()
    if kind is None:
        return None
    if kind != LOAD:
        raise StartFailure(f"linnet sent a frame of type {kind} where LOAD ({LOAD}) is due")
    options = json.loads(payload)
    return ScriptModel(options) if options["script"] else PipelineModel(options)


def main(fd):
    sys.stdout = sys.stderr
    faulthandler.enable()
    channel = Channel(fd)
    try:
        model = open_model(channel)
        if model:
            channel.write(READY, json.dumps(model.describe()).encode())
    except StartFailure as error:
        channel.write(FAILED, json.dumps({"message": str(error)}).encode())
        model = None
    except BaseException as error:
        traceback.print_exception(error, file=sys.stderr)
        channel.write(FAILED, json.dumps({"message": one_line(error)}).encode())
        model = None
    while model:
        kind, payload = channel.read()
        if kind != BATCH:
            break
        channel.write(RESULTS, run_batch(model, payload))
    sys.stderr.flush()
    # Without finalizing: threads of extensions may still run.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
