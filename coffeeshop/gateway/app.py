"""The gateway's HTTP side: nothing in it lasts longer than a request."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from coffeeshop import __version__
from coffeeshop.errors import CoffeeshopError
from coffeeshop.gateway.dependencies import Gateway
from coffeeshop.gateway.middleware import (
    BodyLimitMiddleware,
    ShutdownMiddleware,
    TraceContextMiddleware,
)
from coffeeshop.gateway.problems import (
    MEDIA_TYPE,
    RETRY_SECONDS,
    SCHEMA,
    Problem,
    problem,
    problem_of,
)
from coffeeshop.gateway.routes import example as example_routes
from coffeeshop.gateway.routes import file as file_routes
from coffeeshop.gateway.routes import login as login_routes
from coffeeshop.gateway.routes import operation as operation_routes
from coffeeshop.gateway.routes import page as page_routes
from coffeeshop.gateway.routes import partial as partial_routes
from coffeeshop.gateway.routes import result as result_routes
from coffeeshop.gateway.routes import session as session_routes
from coffeeshop.gateway.routes import share as share_routes
from coffeeshop.gateway.routes import together as together_routes
from coffeeshop.gateway.routes import upload as upload_routes
from coffeeshop.gateway.security.access import SHARED, Access, AuthenticationMiddleware
from coffeeshop.observability import tracing
from coffeeshop.observability.logs import get_logger

log = get_logger()
REFUSED_THREAD = "can't start new thread"
ROUTES = (
    session_routes,
    upload_routes,
    file_routes,
    result_routes,
    partial_routes,
    share_routes,
    together_routes,
    operation_routes,
    page_routes,
    login_routes,
    example_routes,
)
MOST_ERRORS = 10
"""That one answer tells of a request."""
_PROBLEM = {"description": "A problem document.", "content": {MEDIA_TYPE: {"schema": SCHEMA}}}


def create_app(gateway: Gateway, access: Access | None = None) -> FastAPI:
    """The ASGI application over a gateway. Without ``access`` everybody may do everything."""
    access = access or Access()
    app = FastAPI(
        title="coffeeshop",
        version=__version__,
        description="Analyses of a coffee-shop chain's sales. Errors are RFC 9457 documents.",
        responses={"4XX": _PROBLEM, "5XX": _PROBLEM},
        # Pages that would load scripts from elsewhere into this origin.
        docs_url=None,
        redoc_url=None,
    )
    app.state.gateway = gateway
    app.state.access = access
    if tracing.is_on():
        app.add_middleware(TraceContextMiddleware)
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(AuthenticationMiddleware, access=access)  # before a body is read
    app.add_middleware(ShutdownMiddleware)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(CoffeeshopError, _own_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(RuntimeError, _overload)
    app.add_exception_handler(Exception, _bug)
    for module in ROUTES:
        app.include_router(module.router)
    _make_handlers(app)
    return app


def _make_handlers(app: FastAPI) -> None:
    """FastAPI makes them when they are first looked for, with the process's filters of warnings
    changed meanwhile. No request waits for that, and two gateways of a process take turns."""
    nowhere = {"type": "http", "method": "GET", "path": "/", "root_path": "", "headers": []}
    for route in app.router.routes:
        route.matches(nowhere)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return error.response()


async def _own_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CoffeeshopError)
    return problem_of(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), error.headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = [
        {"where": "/".join(map(str, each["loc"]))[:200], "what": str(each["msg"])[:200]}
        for each in error.errors()[:MOST_ERRORS]
    ]
    detail = "; ".join(f"{each['where']}: {each['what']}" for each in wrong)[:1000]
    return problem(422, detail, errors=wrong)


async def _overload(request: Request, error: Exception) -> Response:
    """The system starts no more threads; any other `RuntimeError` is a bug."""
    if REFUSED_THREAD not in str(error):
        raise error
    log.warning("gateway.thread_refused", method=request.method, path=_logged_path(request))
    detail = "this gateway gets no more threads (a limit of its container); try again later"
    return problem(503, detail, {"Retry-After": str(RETRY_SECONDS)})


async def _bug(request: Request, error: Exception) -> Response:
    log.error("gateway.bug", method=request.method, path=_logged_path(request), reason=repr(error))
    return problem(500, "the gateway failed at this request (a bug); see its log")


def _logged_path(request: Request) -> str:
    """The path without the token of a link, which would let a reader of the log in."""
    path = request.url.path
    return SHARED if path.startswith(SHARED) else path
