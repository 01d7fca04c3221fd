"""The check of sync evaluators."""

from __future__ import annotations

from s2vkit.interfaces.sync_evaluator import SyncEvaluator
from s2vkit.testing.checking import SIZE, Subject, noise

_FRAMES = 12


def check_sync_evaluator(subject: Subject) -> None:
    """Check sizes, clips shorter than a window, and gradients where it trains."""
    evaluator = subject.build(size=SIZE)
    subject.require_contract(evaluator, SyncEvaluator)
    subject.require_attributes(evaluator, fps=(int, float), sample_rate=int, dim=int, pretrained=bool)
    frames = noise(2, _FRAMES, 3, SIZE, SIZE)
    speech = noise(2, round(_FRAMES * evaluator.sample_rate / evaluator.fps), scale=0.1)
    lips, sounds = evaluator.eval()(frames, speech)
    subject.require(lips.dim() == 3 and lips.shape[1] > 0, f"lips of shape {tuple(lips.shape)}")
    shape = (2, lips.shape[1], evaluator.dim)
    subject.require_tensor("lips", lips, shape)
    subject.require_tensor("speech", sounds, shape)
    alone = evaluator(frames[:1], speech[:1])
    problem = "in eval, what it gives depends on the batch"
    subject.require_equal(problem, lips[:1], alone[0])
    subject.require_equal(problem, sounds[:1], alone[1])
    short = evaluator(frames[:, :1], speech[:, : speech.shape[1] // _FRAMES])
    subject.require_tensor("lips of one frame", short[0], (2, 0, evaluator.dim))
    if not evaluator.pretrained:
        subject.require_gradients("training", evaluator, *evaluator.train()(frames, speech))
