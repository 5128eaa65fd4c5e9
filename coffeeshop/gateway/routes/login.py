"""The page's way in: a token for a cookie that no script can read and no other site can use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse, Response

from coffeeshop.gateway.pages import pages
from coffeeshop.gateway.problems import Problem
from coffeeshop.gateway.routes.page import HEADERS
from coffeeshop.gateway.security.access import Access, cookie_name

COOKIE_SECONDS = 12 * 3600
router = APIRouter(include_in_schema=False)


class Login(BaseModel):
    """What the page sends."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    token: str = Field(max_length=1000)


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access


TheAccess = Annotated[Access, Depends(_access)]


@router.api_route("/login", methods=["GET", "HEAD"])
async def login_page(access: TheAccess) -> Response:
    """The page that asks for a token; the first page where none is needed."""
    if access.tokens is None:
        return RedirectResponse("./", 303)
    page = pages()["login.html"]
    return Response(page.body, media_type=page.media_type, headers=HEADERS)


@router.post("/login", status_code=204)
async def login(access: TheAccess, request: Request, shown: Login) -> Response:
    """Take a token and set the cookie; `Problem` 403 for a wrong one."""
    if access.tokens is None or access.tokens.client_of(shown.token.strip()) is None:
        raise Problem(403, "invalid token")
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    _set_cookie(answer, request, shown.token.strip(), COOKIE_SECONDS)
    return answer


@router.post("/logout", status_code=204)
async def logout(request: Request) -> Response:
    """Take the cookie away."""
    answer = Response(status_code=204, headers={"Cache-Control": "no-store"})
    _set_cookie(answer, request, "", 0)
    return answer


def _set_cookie(answer: Response, request: Request, value: str, seconds: int) -> None:
    answer.set_cookie(
        cookie_name(request),
        value,
        max_age=seconds,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
