"""Images a second of the composition step, beside a plain loop in the same run.

python benchmarks/training_step.py                         this machine's CPU, 64 px
python benchmarks/training_step.py --threads 1 --size 128
python benchmarks/training_step.py --device cuda --size 64 128 256 --batch 64

Prints for each size: images a second of our step and of the plain loop (see plain_step.py), their
ratio, our share of the machine's ceiling (the better of a matrix product and a convolution in
the same precision, measured in the same turns), and the memory that a step adds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import torch
from measuring import alternate, ceilings, peak_memory
from plain_step import PlainStep
from torch.utils.flop_counter import FlopCounterMode

from s2vkit.build import Builder, world_of
from s2vkit.engine.device import Policy, choose
from s2vkit.engine.preflight import make_up
from s2vkit.engine.train import Trainer
from s2vkit.plugins import registry
from s2vkit.recipe.load import load_recipe
from s2vkit.recipe.schema import Compute

RECIPE = Path(__file__).parent.parent / "recipes" / "speech2video.yaml"


def main() -> None:
    """Measure every size asked for."""
    args = _arguments()
    if args.memory:
        print(f"{_memory(args, args.memory):.0f}")
        return
    for size in args.size:
        _compare(args, size)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[64], help="pixels")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: every core there is")
    parser.add_argument("--batch", type=int, default=16, help="clips in a step")
    parser.add_argument("--frames", type=int, default=3, help="frames of a clip")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--compile", default="auto", choices=["auto", "always", "never"])
    parser.add_argument("--memory", choices=["ours", "plain"], help=argparse.SUPPRESS)
    return parser.parse_args()


def _policy(args: argparse.Namespace) -> Policy:
    return choose(
        Compute(
            device=args.device, threads=args.threads, precision=args.precision,
            compile=args.compile,
        )
    )  # fmt: skip


def _builder(args: argparse.Namespace, size: int) -> Builder:
    sets = [
        f"data.size={size}", f"stages.compose.batch={args.batch}",
        f"stages.compose.frames={args.frames}",
    ]  # fmt: skip
    return Builder(load_recipe(RECIPE, sets, registry()).recipe, registry())


def _ours(args: argparse.Namespace, size: int, policy: Policy) -> Trainer:
    builder = _builder(args, size)
    graph = builder.graph(world_of(builder.dataset()))
    stage = builder.stages(graph, policy.device)["compose"]
    clips = make_up(stage, graph, policy.device)
    return Trainer(
        stage, "compose", graph, lambda step: clips, policy=policy, seed=1,
        make_optimizer=builder.make,
    )  # fmt: skip


def _plain(args: argparse.Namespace, size: int, policy: Policy, ours: Trainer) -> object:
    builder = _builder(args, size)
    graph = builder.graph(world_of(builder.dataset()))
    step, clips = PlainStep(builder, graph, policy.device), ours.batches(0)
    samples = int(2.5 * graph.encoder.sample_rate)
    speech = torch.randn(args.batch, samples, device=policy.device) * 0.1
    lengths = torch.full((args.batch,), samples, device=policy.device)
    return lambda: step(clips, speech, lengths)


def _compare(args: argparse.Namespace, size: int) -> None:
    policy = _policy(args)
    ours = _ours(args, size, policy)
    plain = _plain(args, size, policy, ours)
    counter = FlopCounterMode(display=False)
    with counter:
        ours.step(0)
    top = ceilings(policy.device, torch.bfloat16 if policy.bf16 else torch.float32)
    works = {"ours": lambda: ours.step(1), "plain": plain, **{k: w for k, (w, _) in top.items()}}
    took = alternate(works, policy.device, args.repeats)
    best = max(top, key=lambda name: top[name][1] / took[name])
    ceiling, speed = top[best][1] / took[best], counter.get_total_flops() / took["ours"]
    images = args.batch * args.frames
    memory = {who: _memory_apart(who, size) for who in ("ours", "plain")}
    print(
        f"{size} px, {args.batch} clips x {args.frames} frames, ours on {policy}: "
        f"ours {images / took['ours']:.1f} images/s ({took['ours'] * 1e3:.0f} ms a step, "
        f"{memory['ours']} MB), plain {images / took['plain']:.1f} ({took['plain'] * 1e3:.0f} ms, "
        f"{memory['plain']} MB): {took['plain'] / took['ours']:.2f} times faster; "
        f"{speed / 1e9:.0f} of {ceiling / 1e9:.0f} GFLOP/s ({best}): {speed / ceiling:.0%}"
    )


def _memory(args: argparse.Namespace, who: str) -> float:
    """Measure, in a process that has done nothing else, the memory of one step."""
    policy, size = _policy(args), args.size[0]
    ours = _ours(args, size, policy)
    work = (lambda: ours.step(0)) if who == "ours" else _plain(args, size, policy, ours)
    return peak_memory(work, policy.device)


def _memory_apart(who: str, size: int) -> str:
    given = list(sys.argv[1:])
    if "--size" in given:
        at = given.index("--size")
        after = next(
            (i for i in range(at + 1, len(given)) if given[i].startswith("--")), len(given)
        )
        given = given[:at] + given[after:]
    command = [sys.executable, __file__, *given, "--size", str(size), "--memory", who]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
