"""The audio of a source on the clock of its video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from av.container import InputContainer

from s2vkit.data.extraction.kinds import Rejected
from s2vkit.data.workers import progressing
from s2vkit.media.files import open_media
from s2vkit.media.resample import Resampler
from s2vkit.media.sound import Block, sound_blocks
from s2vkit.media.timing import Timeline, spans
from s2vkit.media.tracks import Chosen, NoSound, choose_sound

_TOLERANCE = 0.008  # s; rounding of time stamps that is no gap and no overlap
_BLOCK = 2**16  # samples that are resampled at once
_LOUDEST = 4.0  # of full scale; more (or NaN) comes of damage alone
_REPORTED = 0.1  # s; holes and overlaps that are longer are reported
_FAR = 3600.0  # s; sound that begins that long before the pictures has a damaged time stamp


class Track:
    """Samples laid where their time stamps say, from `start` on for `seconds`."""

    def __init__(self, sample_rate: int, start: float, seconds: float) -> None:
        self.sample_rate, self.start, self.seconds = sample_rate, start, seconds
        self.samples = np.zeros(round(seconds * sample_rate), np.float32)
        self.first, self.last = seconds, 0.0  # s from `start`: where there is any sound
        self._resampler: Resampler | None = None
        self._origin = 0  # sample of `samples` at which the present run of sound begins
        self._given = 0  # samples of the run that lie in `samples` already
        self.blocks = 0  # of sound that came, wherever they belong
        self._taken = 0  # samples of the run at its own rate
        self._waiting: list[np.ndarray] = []  # blocks that go to the resampler together
        self._waits = 0  # samples in them
        self.damaged = 0  # pieces of which nothing could be used
        self.overlap = 0.0  # s of sound that lie where there was some already

    def miss(self) -> None:
        """Count a piece that is damaged; it stays silent."""
        self.damaged += 1

    def take(self, time: float, rate: int, block: np.ndarray) -> None:
        """Lay float32 (S,) at `time` s of the container's clock.

        Sound follows on from what came before it while the time stamps agree; a gap stays
        silent, and what overlaps what is there already is left out.
        """
        at = time - self.start
        self.blocks += 1
        if not -_FAR < at < self.seconds:
            return
        run = self._resampler
        due = self._origin / self.sample_rate + self._taken / rate if run else 0.0
        if run is None or run.source != rate or abs(at - due) > _TOLERANCE:
            self.flush()
            if run is not None and at < due:
                self.overlap += min(due - at, len(block) / rate)
                block = block[round((due - at) * rate) :]
                at = due
            self._resampler, self._taken, self._given = Resampler(rate, self.sample_rate), 0, 0
            self._origin = round(at * self.sample_rate)
        self._taken += len(block)
        self._waiting.append(block)
        self._waits += len(block)
        if self._waits > _BLOCK:
            self._push()

    def _push(self) -> None:
        if self._resampler is not None and self._waiting:
            self._lay(self._resampler.push(np.concatenate(self._waiting)))
        self._waiting, self._waits = [], 0

    def _lay(self, block: np.ndarray) -> None:
        begin = self._origin + self._given
        self._given += len(block)
        block = block[max(0, -begin) :]
        begin = max(0, begin)
        target = self.samples[begin : begin + len(block)]
        target[:] = block[: len(target)]
        if len(target):
            self.first = min(self.first, begin / self.sample_rate)
            self.last = max(self.last, (begin + len(target)) / self.sample_rate)

    def flush(self) -> None:
        """Lay what the resampler still holds."""
        self._push()
        if self._resampler is not None:
            self._lay(self._resampler.flush())
            self._resampler = None


def read_track(
    path: Path,
    sample_rate: int,
    start: float | None,
    seconds: float,
    notes: list[str],
    number: int | None = None,
) -> Track:
    """Read the speech of a file as it is heard from `start` s on, for `seconds`.

    `start` is on the container's clock; None means the start of the file, for sound that lies
    beside its video. `number`, from 1, chooses a sound track by hand. Raises Rejected if there
    is no track or nothing of it can be decoded, InputError if the file cannot be opened.
    """
    try:
        chosen = choose_sound(path, number)
    except NoSound as error:
        raise Rejected("no_sound_track", f"{path.name} has no sound track") from error
    with open_media(path) as container:
        if start is None:
            start = (container.start_time or 0) / av.time_base
        track = Track(sample_rate, start, seconds)
        notes += chosen.notes
        _fill(track, container, chosen, notes)
    if not track.blocks:
        if track.damaged:
            raise Rejected("undecodable", f"nothing of the sound of {path.name} can be decoded")
        raise Rejected("no_sound_track", f"the sound track of {path.name} holds no samples")
    if track.damaged:
        notes.append(f"{track.damaged} damaged pieces of the sound are silent")
    if track.overlap > _REPORTED:
        notes.append(f"{track.overlap:.2f} s of sound that overlap what came before are left out")
    return track


def _fill(track: Track, container: InputContainer, chosen: Chosen, notes: list[str]) -> None:
    timeline = Timeline[Block]("sound", _REPORTED, track.miss, notes.append, append=False)
    for time, (rate, block) in sound_blocks(container, chosen, timeline, track.miss):
        if rate < 1000 or (len(block) and not -_LOUDEST < block.min() <= block.max() < _LOUDEST):
            track.miss()
            continue
        progressing()
        track.take(time, rate, block)
    track.flush()
    if timeline.holes:
        notes.append(f"the sound has holes, silent here: {spans(timeline.holes)} of it")
