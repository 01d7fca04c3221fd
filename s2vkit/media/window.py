"""A window on the screen that shows frames as they come (extra `window`)."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np

from s2vkit.errors import ResourceError

_SIDE = 512  # pixels of the window's side, about; frames are enlarged a whole number of times


class WindowClosedError(Exception):
    """The user has closed the window."""


class Window:
    """A window of square frames. A context manager."""

    def __init__(self, size: int) -> None:
        """Open it for frames of `size`. Raises ResourceError if the extra or a display is missing."""
        try:
            import pyglet
        except ImportError as error:
            raise ResourceError(
                f"a window needs the package pyglet: {error}", hint="pip install 's2vkit[window]'"
            ) from error
        self.side = size * max(1, _SIDE // size)
        try:
            self._window = pyglet.window.Window(self.side, self.side, caption="s2vkit", vsync=False)
            self._texture = pyglet.image.Texture.create(size, size)
        except Exception as error:  # each system has failures of its own
            raise ResourceError(
                f"no window can be opened: {type(error).__name__}: {error}",
                hint="it needs a display with OpenGL 3.3; `-o FILE` in place of --window writes a video",
            ) from error
        self._picture = pyglet.image.ImageData

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.close()

    def show(self, frame: np.ndarray) -> None:
        """Show uint8 (size, size, 3). Raises WindowClosedError once the user has closed the window."""
        self._window.switch_to()
        self._window.dispatch_events()
        if self._window.has_exit:
            raise WindowClosedError
        height, width = frame.shape[:2]
        rows = -3 * width  # bytes from a row to the next; negative, as the first one is the top
        self._texture.blit_into(self._picture(width, height, "RGB", frame.tobytes(), rows), 0, 0, 0)
        self._texture.blit(0, 0, width=self.side, height=self.side)
        self._window.flip()
