"""FastAPI: `serve_fastapi.py PORT PROCESSES`."""

import sys

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

app = FastAPI()
detector = None


@app.on_event("startup")
def load():
    global detector
    from nanodet import Detector

    detector = Detector()


@app.post("/detect")
async def detect(request: Request):
    return JSONResponse(await run_in_threadpool(detector, await request.body()))


if __name__ == "__main__":
    uvicorn.run(
        "serve_fastapi:app", host="127.0.0.1", port=int(sys.argv[1]), workers=int(sys.argv[2]), log_level="error",
        access_log=False, loop="uvloop", http="httptools",
    )
