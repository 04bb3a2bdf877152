"""A transformers text-classification pipeline behind uvicorn and starlette, called where the request arrives.

    MODEL=directory uvicorn --app-dir bench/peers/python app:app --port 8080 --workers 1

DEVICE is torch's name of where to compute (default cpu).
"""

import os

import torch
import transformers
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

pipe = transformers.pipeline(
    "text-classification", model=os.environ["MODEL"], device=os.environ.get("DEVICE", "cpu"), dtype=torch.float32
)


async def age(request):
    body = await request.json()
    return JSONResponse(pipe(body["inputs"]))


app = Starlette(routes=[Route("/age", age, methods=["POST"])])
