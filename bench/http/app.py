"""The same POST /age in starlette, with an answer that costs nothing to compute: what uvicorn, starlette and json take."""
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def age(request):
    inputs = (await request.json())["inputs"]
    texts = [inputs] if isinstance(inputs, str) else inputs
    return JSONResponse([{"label": "POSITIVE", "score": 0.99752736} for _ in texts])


app = Starlette(routes=[Route("/age", age, methods=["POST"])])
