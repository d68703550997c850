"""Takes jobs and says what became of them."""

import os
import secrets

import valkey.asyncio as valkey
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

app = FastAPI(title="Jobs")
store = valkey.from_url(os.environ["VALKEY_URL"], decode_responses=True)


class Job(BaseModel):
    text: str = Field(min_length=1, max_length=10_000)


def known(x_api_key: str = Header()) -> None:
    if not secrets.compare_digest(x_api_key.encode(), os.environ["API_KEY"].encode()):
        raise HTTPException(403, "X-API-Key is not the key.")


@app.get("/healthz")
async def health():
    await store.ping()
    return {"status": "ok"}


@app.get("/")
async def index():
    return {"done": int(await store.get("done") or 0), "waiting": await store.llen("queue"), "docs": "/docs"}


@app.post("/jobs", status_code=202, dependencies=[Depends(known)])
async def add(job: Job):
    number = await store.incr("number")
    await store.set(f"text:{number}", job.text, ex=86400)
    await store.lpush("queue", number)
    return {"number": number}


@app.get("/jobs/{number}")
async def one(number: int):
    result = await store.get(f"result:{number}")
    if result is None and not await store.exists(f"text:{number}"):
        raise HTTPException(404, "There is no such job.")
    return {"number": number, "result": result}
