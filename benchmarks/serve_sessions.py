"""Live sessions at once on one server: the delay of each, whether one starves, and the memory.

python benchmarks/serve_sessions.py runs/speech2video speech.wav --sessions 20 --seconds 20
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect

from s2vkit.media import read_speech

RATE, PIECE = 16000, 0.02
FRAGMENT = b"moof"  # one a frame


async def speak(url: str, pcm: bytes, wish: dict[str, str]) -> dict[str, float]:
    """Hold one session at the pace of speech: what it was given, and how late."""
    delays: list[float] = []
    async with connect(url, proxy=None, max_size=None, compression=None, ping_interval=None) as socket:
        await socket.send(b"\0" + json.dumps(wish).encode())
        fps = json.loads((await socket.recv())[1:])["fps"]
        begun = time.perf_counter()

        async def send() -> None:
            step = 2 * int(PIECE * RATE)
            for number, start in enumerate(range(0, len(pcm), step)):
                await asyncio.sleep(max(0.0, begun + (number + 1) * PIECE - time.perf_counter()))
                await socket.send(b"\1" + pcm[start : start + step])
            await socket.send(b"\3finish")

        sending = asyncio.ensure_future(send())
        while True:
            message = await socket.recv()
            now = time.perf_counter() - begun
            if message[0] == 2:
                for _ in range(message.count(FRAGMENT)):
                    delays.append(now - len(delays) / fps)
            elif message[0] == 5 or (message[0] == 4 and json.loads(message[1:])["event"] == "ended"):
                break
        await sending
    p50, p95 = np.percentile(delays, (50, 95)) if delays else (float("nan"),) * 2
    return {"frames": len(delays), "first": delays[0] if delays else float("nan"), "p50": p50, "p95": p95}


async def speak_all(url: str, pcm: bytes, count: int, wish: dict[str, str]) -> list[dict[str, float]]:
    """Hold sessions side by side."""
    return list(await asyncio.gather(*(speak(url, pcm, wish) for _ in range(count))))


def usage(process: int) -> tuple[float, float]:
    """Return the processor time of a process in seconds, and its greatest memory in MB."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
    assert peak is not None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(peak[1]) / 1000


def main() -> None:
    """Start a server, hold sessions, and print what they saw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("speech", type=Path)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--wish", type=json.loads, default={}, help="identity and emotion, as JSON")
    given = parser.parse_args()
    samples = np.resize(read_speech(given.speech, RATE).samples, int(given.seconds * RATE))
    pcm = (samples * 32767).astype("<i2").tobytes()
    command = ["-m", "s2vkit", "serve", str(given.model), "--port", str(given.port), "--rate", "10000"]
    server = subprocess.Popen([sys.executable, *command], stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        while "serving" not in server.stderr.readline():
            assert server.poll() is None
        url = f"ws://127.0.0.1:{given.port}/v1/live"
        cold = asyncio.run(speak_all(url, pcm[: 2 * RATE], 1, given.wish))[0]
        before, memory = usage(server.pid)
        found = asyncio.run(speak_all(url, pcm, given.sessions, given.wish))
        after, peak = usage(server.pid)
    finally:
        server.terminate()
        server.wait(20)
    print(f"load {os.getloadavg()[0]:.1f}; the first session of all: first frame after {cold['first']:.2f} s")
    print("session  frames  first s  p50 s  p95 s")
    for number, one in enumerate(found, 1):
        print(f"{number:7d} {one['frames']:7.0f} {one['first']:8.2f} {one['p50']:6.2f} {one['p95']:6.2f}")
    cores = (after - before) / given.seconds
    print(f"server: {cores:.2f} cores of speech's time; memory {memory:.0f} MB, at most {peak:.0f} MB")


if __name__ == "__main__":
    main()
