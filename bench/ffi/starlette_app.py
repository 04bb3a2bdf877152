"""The peer: the same pipeline behind uvicorn and starlette, called where the request arrives.

    MODEL=directory uvicorn --app-dir bench/ffi starlette_app:app --port 8081 --log-level warning
"""

import os

import transformers
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

pipe = transformers.pipeline("text-classification", model=os.environ["MODEL"], device="cpu")


async def age(request):
    body = await request.json()
    return JSONResponse(pipe(body["inputs"]))


app = Starlette(routes=[Route("/age", age, methods=["POST"])])
