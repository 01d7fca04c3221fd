"""Images a second of the composition step, beside a plain loop in the same run.

python benchmarks/training_step.py                         this machine's CPU, 64 px
python benchmarks/training_step.py --threads 1 --size 128
python benchmarks/training_step.py --device cuda --size 64 128 256 --batch 64

Prints for each size: images a second of our step and of the plain loop (see plain_step.py), their
ratio, our share of the machine's ceiling (the better of a matrix product and a convolution in
the same precision, measured in the same turns), and the memory that a step adds. Each is a
process of its own, and they take turns: the plain loop has torch as it comes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from machine import Work, ceilings, peak_memory, seconds
from plain_step import PlainStep
from torch.utils.flop_counter import FlopCounterMode

from s2vkit.build import Builder, data_spec_of
from s2vkit.device import Policy, choose, usable_cores
from s2vkit.engine.preflight import make_up
from s2vkit.engine.trainer import Trainer
from s2vkit.interfaces.graph import Graph
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.settings import Compute

RECIPE = Path(__file__).parent.parent / "recipes" / "speech2video.yaml"


def main() -> None:
    """Measure every size asked for."""
    args = _arguments()
    if args.serve:
        _serve(args)
        return
    for size in args.size:
        _compare(args, size)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[64], help="pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: every core there is")
    parser.add_argument("--batch", type=int, default=32, help="clips in a step")
    parser.add_argument("--frames", type=int, default=1, help="frames of a clip")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16", "fp16"])
    parser.add_argument("--compile", default="auto", choices=["auto", "always", "never"])
    parser.add_argument("--serve", choices=SERVED, help=argparse.SUPPRESS)
    return parser.parse_args()


def _policy(args: argparse.Namespace) -> Policy:
    """Return our policy; the plain loop has torch as it comes, float32 and nothing tuned."""
    if args.serve == "plain":
        torch.set_num_threads(args.threads or usable_cores())
        return Policy(torch.device(args.device), channels_last=False, compile=False)
    return choose(
        Compute(device=args.device, threads=args.threads, precision=args.precision, compile=args.compile)
    )


def _builder(args: argparse.Namespace, size: int) -> Builder:
    sets = [f"data.size={size}", f"stages.compose.batch={args.batch}", f"stages.compose.frames={args.frames}"]
    return Builder(load_recipe(RECIPE, sets, registry()).recipe, registry())


def _built(args: argparse.Namespace, size: int, policy: Policy) -> tuple[Builder, Graph, Any]:
    builder = _builder(args, size)
    graph = builder.graph(data_spec_of(builder.dataset()))
    return builder, graph, builder.stages(graph, policy.device)["compose"]


def _ours(args: argparse.Namespace, size: int, policy: Policy) -> Work:
    builder, graph, stage = _built(args, size, policy)
    clips = make_up(stage, graph, policy.device)
    trainer = Trainer(
        stage, "compose", graph, lambda step: clips, policy=policy, seed=1, make_optimizer=builder.make
    )
    return lambda: trainer.step(1)


def _plain(args: argparse.Namespace, size: int, policy: Policy) -> Work:
    builder, graph, stage = _built(args, size, policy)
    clips = make_up(stage, graph, policy.device)
    step = PlainStep(builder, graph, policy.device)
    samples = int(2.5 * graph.encoder.sample_rate)
    speech = torch.randn(args.batch, samples, device=policy.device) * 0.1
    lengths = torch.full((args.batch,), samples, device=policy.device)
    return lambda: step(clips, speech, lengths)


def _serve(args: argparse.Namespace) -> None:
    """Say what is asked for on a line, do the work at each line read, and say its figure."""
    policy, size = _policy(args), args.size[0]
    if args.serve in MAKE:
        work = MAKE[args.serve](args, size, policy)
        memory = peak_memory(work, policy.device)
        with FlopCounterMode(display=False) as counter:
            work()
        said = f"{counter.get_total_flops()} {memory:.0f} {policy}"
    else:
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(policy.precision, torch.float32)
        work, operations = ceilings(policy.device, dtype)[args.serve]
        said = f"{operations} 0 {policy}"
    print(said, flush=True)
    for _ in sys.stdin:
        work()
        print(seconds(work, policy.device), flush=True)


class Server:
    """A process of its own for one piece of work: nobody finds memory as another left it."""

    def __init__(self, args: argparse.Namespace, size: int, who: str) -> None:
        options = ["device", "threads", "batch", "frames", "precision", "compile"]
        said = [part for name in options for part in (f"--{name}", str(getattr(args, name)))]
        command = [sys.executable, __file__, *said, "--size", str(size), "--serve", who]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        flops, memory, self.policy = self._read().split(" ", 2)
        self.flops, self.memory, self.least = float(flops), int(memory), float("inf")

    def turn(self) -> None:
        """Do the work twice; the second time counts, since it follows its like as in a loop."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.least = min(self.least, float(self._read()))

    def close(self) -> None:
        """Let the process end."""
        self.process.communicate()

    def _read(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline().strip()
        if not line:
            raise SystemExit("a measured process ended early; what it said stands above")
        return line

    @property
    def speed(self) -> float:
        """Operations a second."""
        return self.flops / self.least


def _compare(args: argparse.Namespace, size: int) -> None:
    servers = {who: Server(args, size, who) for who in SERVED}
    for _ in range(args.repeats):
        for server in servers.values():
            server.turn()
    for server in servers.values():
        server.close()
    ours, plain = servers["ours"], servers["plain"]
    best = max(CEILINGS, key=lambda name: servers[name].speed)
    ceiling, images = servers[best].speed, args.batch * args.frames
    print(
        f"{size} px, {args.batch} clips x {args.frames} frames, ours on {ours.policy}: "
        f"ours {images / ours.least:.1f} images/s ({ours.least * 1e3:.0f} ms a step, "
        f"{ours.memory} MB), plain {images / plain.least:.1f} ({plain.least * 1e3:.0f} ms, "
        f"{plain.memory} MB): {plain.least / ours.least:.2f} times faster; "
        f"{ours.speed / 1e9:.0f} of {ceiling / 1e9:.0f} GFLOP/s ({best}): "
        f"{ours.speed / ceiling:.0%}"
    )


MAKE = {"ours": _ours, "plain": _plain}
CEILINGS = ("matrix product", "convolution")
SERVED = (*MAKE, *CEILINGS)


if __name__ == "__main__":
    main()
