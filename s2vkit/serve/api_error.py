"""What a request is answered with that cannot be met: a status, a code, and what to do."""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from s2vkit.errors import S2vkitError


class ApiError(Exception):
    """A request that cannot be met."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", retry_after: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.hint = status, code, message, hint
        self.retry_after = retry_after  # seconds

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}

    def response(self) -> JSONResponse:
        """Return the answer."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.as_json(), self.status, headers)


def api_error_of(error: S2vkitError, *, hide: str = "") -> ApiError:
    """Turn an error of the library into a problem; `hide` is a path that a client shall not see."""

    def shown(text: str) -> str:
        return text.replace(hide, "the recording") if hide else text

    return ApiError(422, "unusable_input", shown(error.message), shown(error.hint or ""))


def unexpected() -> ApiError:
    """Return what a client sees of an error that nobody foresaw."""
    return ApiError(500, "internal", "an unexpected error", "try again; the server's log says more")
