"""The short way of a usual request: taken where it can be, and answered as FastAPI's own way answers."""

import asyncio

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel

from components.serving.gateway.app import ROUTES
from components.serving.gateway.direct import Direct
from components.serving.gateway.feedback import feedback_file
from components.serving.gateway.metrics import REFUSED
from tests.components.serving.gateway.test_refusals import BAD_PICTURES, RED, refused, uri

SHORT, LONG = "application/json", "application/json; charset=utf-8"
router = APIRouter()


class Asked(BaseModel):
    count: int


@router.post("/v1/body", response_model=None)
async def body_alone(request: Request, body: Asked) -> Response:
    return Response(f"{body.count + request.app.state.more} {request.state.number}")


@router.post("/v1/header", response_model=None)
async def body_and_header(request: Request, body: Asked, x_more: str = Header()) -> Response:
    return Response(x_more)


@router.post("/v1/plain", response_model=None)
def body_to_a_function(request: Request, body: Asked) -> Response:
    return Response("9")


@router.post("/v1/guarded", response_model=None, dependencies=[Depends(lambda: None)])
async def body_and_a_dependency(request: Request, body: Asked) -> Response:
    return Response("9")


@router.post("/body", response_model=None)
async def body_outside_of_the_api(request: Request, body: Asked) -> Response:
    return Response("9")


@router.post("/v1/model")
async def body_to_model(request: Request, body: Asked) -> Asked:
    return body


class Passed(FastAPI):
    """Knows whether a request has gone through it."""

    passed = False

    async def __call__(self, scope, receive, send):
        self.passed = True
        await super().__call__(scope, receive, send)


def taken(
    path: str, content: bytes, kind: str | tuple[str, ...] = SHORT, method: str = "POST"
) -> tuple[int, str, bool]:
    """Return status and text of an answer, and whether FastAPI was gone through."""
    app = Passed()
    app.state.more = 1
    app.include_router(router)
    direct = Direct(app, [router])

    async def numbered(scope, receive, send):
        await direct({**scope, "state": {"number": 7}}, receive, send)

    kinds = (kind,) if isinstance(kind, str) else kind
    headers = [("x-more", "9"), *(("content-type", one) for one in kinds)]

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(numbered), base_url="http://localhost") as client:
            return await client.request(method, path, content=content, headers=headers)

    answer = asyncio.run(ask())
    return answer.status_code, answer.text, app.passed


def test_a_usual_request_goes_straight_to_its_route_which_sees_state_and_application():
    assert taken("/v1/body", b'{"count": 2}') == (200, "3 7", False)


@pytest.mark.parametrize(
    ("path", "content", "kind", "status"),
    [
        ("/v1/body", b'{"count": 2}', LONG, 200), ("/v1/body", b'{"count": "many"}', SHORT, 422), ("/v1/body", b"{", SHORT, 422), ("/v1/body", b"", SHORT, 422),
        ("/v1/body", b'{"count": 2}', "text/plain", 422), ("/v1/header", b'{"count": 2}', SHORT, 200), ("/v1/model", b'{"count": 2}', SHORT, 200),
        ("/v1/plain", b'{"count": 2}', SHORT, 200), ("/v1/guarded", b'{"count": 2}', SHORT, 200), ("/body", b'{"count": 2}', SHORT, 200), ("/v1/none", b"{}", SHORT, 404),
    ],
)  # fmt: skip
def test_whatever_is_unusual_goes_by_fastapi(path, content, kind, status):
    said = taken(path, content, kind)
    assert (said[0], said[2]) == (status, True)


def test_two_kinds_go_by_fastapi():
    assert taken("/v1/body", b'{"count": 2}', kind=(SHORT, "text/plain"))[2]
    assert not taken("/v1/body", b'{"count": 2}', kind=(SHORT,))[2]


def test_each_route_of_the_gateway_that_takes_a_body_has_the_short_way():
    assert Direct(FastAPI(), [route.router for route in ROUTES]).paths == set(CASES)


def test_what_every_request_is_to_pass_may_not_be_passed_by():
    app = FastAPI()
    app.middleware("http")(lambda request, call_next: call_next(request))
    with pytest.raises(AssertionError, match="belongs into the border"):
        Direct(app, [router])


def test_another_method_goes_by_fastapi():
    assert taken("/v1/body", b"", method="GET")[::2] == (405, True)


CASES = {
    "/v1/embeddings": [
        {"input": "a red square"}, {"input": ["red", uri(RED)], "dimensions": 3, "encoding_format": "base64"}, {"input": "red", "model": "tiny@9"},
        {"input": "red", "dimensions": 99}, {"input": uri(BAD_PICTURES["cut"][0])}, {"input": uri(BAD_PICTURES["6,000 x 6,000"][0])}, {"input": "a" * 20_000},
        {"input": ""}, {}, {"input": 7}, {"messages": [{"role": "user", "content": "red"}]}, {"input": "red", "dimensions": 2.0}, {"input": "red", "dimensions": 10**30},
    ],
    "/v1/classify": [{"image": uri(RED)}, {"image": uri(RED), "labels": ["red", "blue"], "top_k": 1}, {"image": "§"}, {"image": uri(RED), "labels": []}],
    "/v1/search": [{"query": "red"}, {"image": uri(RED), "top_k": 2}, {"like": "nobody"}, {"query": "red", "filter": {"nope": ["x"]}}, {"query": "red", "mode": "guess"}],
    "/v1/feedback": [{"query": "red", "key": "key-red", "vote": "up"}, {"query": "red", "key": "nobody", "vote": "up"}, {"query": "red"}],
}  # fmt: skip


@pytest.mark.parametrize("path", CASES)
def test_both_ways_answer_alike(http, workspace, path):
    try:
        for body in CASES[path]:
            answers = []
            for kind in (SHORT, LONG):
                content = httpx.Request("POST", "http://localhost", json=body).content
                answer = http.post(path, content=content, headers={"content-type": kind, "x-request-id": "same"})
                kept = {name: value for name, value in answer.headers.items() if name != "content-length"}
                said = answer.json()
                said.pop("encoded", None)  # prompts that were not met before
                answers.append((answer.status_code, kept, said))
            assert answers[0] == answers[1]
    finally:
        feedback_file(workspace).unlink(missing_ok=True)


@pytest.mark.parametrize("kind", [SHORT, LONG])
def test_a_fault_of_ours_is_told_and_counted_once_whichever_way_it_went(start, monkeypatch, kind):
    async def fails(*_):
        raise ZeroDivisionError("what nobody is told")

    def counted() -> float:
        return REFUSED.labels("internal_error")._value.get()

    monkeypatch.setattr("components.serving.gateway.embeddings.asked", fails)
    before, client = counted(), start()
    answer = client.post("/v1/embeddings", content=b'{"input": "red"}', headers={"content-type": kind})
    assert "ZeroDivisionError" in refused(answer, 500, "internal_error")
    assert "nobody is told" not in answer.text
    assert counted() == before + 1


def test_a_route_counts_by_its_pattern_whichever_way_it_went(http):
    def counted(metrics: str) -> float:
        line = 'diptych_requests_total{route="/v1/embeddings",status="200"} '
        return next((float(one.removeprefix(line)) for one in metrics.splitlines() if one.startswith(line)), 0.0)

    before = counted(http.get("/metrics").text)
    for kind in (SHORT, LONG):
        http.post("/v1/embeddings", content=b'{"input": "red"}', headers={"content-type": kind})
    assert counted(http.get("/metrics").text) == before + 2
