"""The same classifier in onnxruntime behind uvicorn and starlette: what a Python user tries next.

    MODEL=directory ONNX=model-int8.onnx uvicorn --app-dir bench/peers/onnx app:app --port 8080 --workers 1

SESSIONS sessions of THREADS threads each (default 2 of 1) compute requests beside each other; with SESSIONS=0 one session of
THREADS threads computes where the request arrives.
"""

import asyncio
import concurrent.futures
import json
import os
import queue
from pathlib import Path

import numpy
import onnxruntime
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from tokenizers import Tokenizer

DIRECTORY = Path(os.environ["MODEL"])
SESSIONS, THREADS = int(os.environ.get("SESSIONS", "2")), int(os.environ.get("THREADS", "1"))

config = json.loads((DIRECTORY / "config.json").read_text())
labels = [config["id2label"][str(index)] for index in range(len(config["id2label"]))]
tokenizer = Tokenizer.from_file(str(DIRECTORY / "tokenizer.json"))
tokenizer.no_truncation()
tokenizer.enable_padding(pad_id=config.get("pad_token_id", 0))  # to the longest text of a request


def open_session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(os.environ["ONNX"], options, providers=["CPUExecutionProvider"])


sessions = queue.SimpleQueue()
for _ in range(max(SESSIONS, 1)):
    sessions.put(open_session())
pool = concurrent.futures.ThreadPoolExecutor(max(SESSIONS, 1))


def classify(inputs):
    encodings = tokenizer.encode_batch([inputs] if isinstance(inputs, str) else inputs)
    ids = numpy.array([encoding.ids for encoding in encodings], numpy.int64)
    lengths = numpy.array([sum(encoding.attention_mask) for encoding in encodings], numpy.int32)
    session = sessions.get()
    try:
        (logits,) = session.run(None, {"ids": ids, "lengths": lengths})
    finally:
        sessions.put(session)
    scores = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    best = scores.argmax(axis=1)
    return [{"label": labels[index], "score": float(row[index])} for row, index in zip(scores, best)]


async def age(request):
    inputs = (await request.json())["inputs"]
    if SESSIONS:
        return JSONResponse(await asyncio.get_running_loop().run_in_executor(pool, classify, inputs))
    return JSONResponse(classify(inputs))


app = Starlette(routes=[Route("/age", age, methods=["POST"])])
