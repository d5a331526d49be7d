"""Who is asked for, and what browsers are told."""

from __future__ import annotations

import pytest

pytest.importorskip("starlette", reason="the window is an extra: pip install 'scenivid[ui]'")

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from scenivid.ui.gate import ALONE, COOKIE, Gate, user_of


async def _who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.state.user)


def _client(
    host: str = "127.0.0.1", multi_user: bool = False, base: str = "http://127.0.0.1:1"
) -> TestClient:
    return TestClient(Gate(Starlette(routes=[Route("/", _who)]), host, multi_user), base_url=base)


def test_alone_everybody_is_the_same() -> None:
    answer = _client().get("/", headers={"Authorization": "Bearer somebody-elses-secret"})
    assert answer.text == ALONE and "set-cookie" not in answer.headers


def test_each_browser_is_a_user_and_stays_the_same_one() -> None:
    one, other = _client(multi_user=True), _client(multi_user=True)
    first = one.get("/")
    assert "HttpOnly" in first.headers["set-cookie"] and "SameSite=Lax" in first.headers["set-cookie"]
    assert one.get("/").text == first.text != other.get("/").text
    assert first.text == user_of(one.cookies[COOKIE])  # of the secret, a digest is all that is kept
    assert one.cookies[COOKIE] not in first.text


def test_a_program_is_whoever_knows_its_secret() -> None:
    mine = {"Authorization": "Bearer a-secret-of-my-own"}
    assert _client(multi_user=True).get("/", headers=mine).text == user_of("a-secret-of-my-own")


@pytest.mark.parametrize("cookie", ["scenivid=../../x", "scenivid=", "a;b=;=", "scenivid=" + "x" * 4000])
def test_no_cookie_becomes_a_path(cookie: str) -> None:
    user = _client(multi_user=True).get("/", headers={"Cookie": cookie}).text
    assert len(user) == 32 and set(user) <= set("0123456789abcdef")


def test_at_an_address_for_everybody_any_name_of_the_host_is_answered() -> None:
    assert _client("0.0.0.0", base="http://studio.lan:7860").get("/").status_code == 200
    assert _client("127.0.0.1", base="http://studio.lan:7860").get("/").status_code == 403
    assert _client("127.0.0.1", base="http://[::1]:7860").get("/").status_code == 200


def test_browsers_are_told_to_load_nothing_from_elsewhere() -> None:
    headers = _client().get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
