"""Checks of teachers, generators, discriminators and face detectors."""

from __future__ import annotations

from itertools import count, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from s2vkit.interfaces.batch import Batch, Conditioning, GeneratorOutput
from s2vkit.interfaces.discriminator import Discriminator, Inputs
from s2vkit.interfaces.face_detector import FaceDetector, Faces
from s2vkit.interfaces.fields import BatchSizes, Frames
from s2vkit.interfaces.generator import Generator
from s2vkit.interfaces.teacher import Teacher
from s2vkit.testing.checking import SIZE, Subject, noise, place
from s2vkit.testing.stand_ins import EMOTION, FEATURES, IDENTITY, LABELS, MAPS, stand_in_graph

WINDOW = 5  # frames of a run


def check_teacher(subject: Subject) -> None:
    """Check a teacher of labels and one of a number: sizes, classes, maps and gradients."""
    for labels in (LABELS["identity"], ()):
        teacher = subject.build(size=SIZE, labels=labels)
        subject.require_contract(teacher, Teacher)
        subject.require_attributes(
            teacher, dim=int, gives=str, map_shapes=list, classes=tuple, pretrained=bool
        )
        words = ("embedding", "logits")
        subject.require(teacher.gives in words, f"gives '{teacher.gives}', not one of {words}")
        if not teacher.pretrained:
            lacking = set(labels) - set(teacher.classes)
            subject.require(not lacking, f"its classes lack the labels {sorted(lacking)}")
            subject.require(labels or not teacher.classes, "has classes where there are no labels")
        _check_embeddings(subject, teacher.eval())
        _check_maps(subject, teacher)
        if not teacher.pretrained:
            logits = teacher.train().classify(noise(4, 3, SIZE, SIZE))
            subject.require_gradients("training by classify", teacher, logits)


def _check_embeddings(subject: Subject, teacher: Any) -> None:
    images = noise(3, 3, SIZE, SIZE)
    with torch.no_grad():
        embeddings = teacher(images)
        subject.require_tensor(f"its {teacher.gives}", embeddings, (3, teacher.dim))
        if teacher.classes or not teacher.pretrained:  # a file may hold no classifier
            logits = teacher.classify(images)
            subject.require_tensor("classify", logits, (3, max(1, len(teacher.classes))))
        problem = "in eval, its output depends on the batch"
        subject.require_equal(problem, embeddings[:1], teacher(images[:1]))
        _check_head(subject, teacher, embeddings)


def _check_head(subject: Subject, teacher: Teacher, codes: Tensor) -> None:
    """Check that `has_head` and `head` go together."""
    if teacher.has_head:
        logits = teacher.head(codes)
        subject.require_tensor("head", logits, (len(codes), max(1, len(teacher.classes))))
    elif not teacher.pretrained:
        own = type(teacher).head is not Teacher.head
        subject.require(not own, "has a method `head`, but does not say `has_head = True`")


def _check_maps(subject: Subject, teacher: Any) -> None:
    shapes = [tuple(shape) for shape in teacher.map_shapes]
    promised = "maps" in subject.entry.gives
    subject.require(shapes or not promised, "is registered as giving maps but has no map_shapes")
    images = noise(2, 3, SIZE, SIZE).requires_grad_()
    maps = teacher.maps(images)
    subject.require(len(maps) == len(shapes), f"{len(maps)} maps, but {len(shapes)} map_shapes")
    for i, (map_, shape) in enumerate(zip(maps, shapes, strict=True)):
        subject.require_tensor(f"map {i}", map_, (2, *shape))
    sides = [h for _, h, _ in shapes]
    doubled = all(b == 2 * a for a, b in pairwise(sides))
    subject.require(doubled, f"its maps do not double from small to large: {sides}")
    if maps:
        torch.stack([m.mean() for m in maps]).sum().backward()
        subject.require(images.grad is not None, "no gradient flows through its maps")


def check_generator(subject: Subject) -> None:
    """Check generation with and without each side, and with and without identity maps."""
    sides = [(IDENTITY, EMOTION, MAPS), (IDENTITY, 0, MAPS), (IDENTITY, EMOTION, [])]
    if "identity" not in subject.entry.wants:
        sides += [(0, EMOTION, []), (0, 0, [])]
    for identity, emotion, maps in sides:
        generator = subject.build(
            size=SIZE, features=FEATURES, codes=codes_of(identity, emotion), map_shapes=maps
        )
        subject.require_contract(generator, Generator)
        subject.require(generator.size == SIZE, f"its size is {generator.size}, not {SIZE}")
        vectors = {side: noise(2, dim) for side, dim in codes_of(identity, emotion).items()}
        codes = Conditioning(noise(2, 3, FEATURES), vectors)
        if radius := generator.context_radius:
            codes.context = noise(2, 3, 2 * radius + 1, FEATURES)
        if generator.takes_reference_image:
            codes.reference_images = noise(2, 3, SIZE, SIZE, seed=3)
        if generator.audio_samples:
            codes.audio_windows = noise(2, 1, generator.warmup_frames + 3, generator.audio_samples)
        if generator.sees_frames:
            codes.frames = noise(2, 3, 3, SIZE, SIZE, seed=4)
        if generator.sees_mouths:
            codes.mouths = noise(2, 3, 2, seed=5)
        output = generator.train()(codes)
        _check_output(subject, output, maps if "identity_maps" in subject.entry.gives else [])
        with_gradient = [output.frames, *output.identity_maps]
        if generator.hearing is not None:
            size = generator.hearing_size
            heard = generator.hear(codes)
            subject.require_tensor("what it hears", heard, (2, 3, size))
            with_gradient.append(heard)
        subject.require_gradients("training", generator, *with_gradient)
        generator.eval()
        with torch.no_grad():
            one, other = generator(codes).frames, generator(codes).frames
        subject.require_equal("in eval, the same codes gave other frames", one, other)


def codes_of(identity: int, emotion: int) -> dict[str, int]:
    """Name the sides whose code has a size."""
    return {side: dim for side, dim in (("identity", identity), ("emotion", emotion)) if dim}


def _check_output(subject: Subject, output: Any, maps: list[tuple[int, int, int]]) -> None:
    subject.require(
        isinstance(output, GeneratorOutput), f"gives a {type(output).__name__}, not GeneratorOutput"
    )
    subject.require_tensor("frames", output.frames, (2, 3, 3, SIZE, SIZE))
    subject.require(output.frames.detach().abs().max() <= 1.0, "draws frames outside [-1, 1]")
    count = len(output.identity_maps)
    subject.require(count == len(maps), f"made {count} identity maps, not {len(maps)}")
    for i, (drawn, shape) in enumerate(zip(output.identity_maps, maps, strict=True)):
        subject.require_tensor(f"identity map {i}", drawn, (2, *shape))


def check_discriminator(subject: Subject) -> None:
    """Check that it takes its inputs from a batch and scores them, with gradient to the fakes."""
    discriminator = subject.build(size=SIZE, features=FEATURES, map_shapes=MAPS)
    subject.require_contract(discriminator, Discriminator)
    wants = discriminator.input_names()
    message = f"takes {wants} but is registered as wanting {subject.entry.wants}"
    subject.require(set(subject.entry.wants) <= set(wants), message)
    batch = _batch(discriminator)
    generated = GeneratorOutput(noise(*batch["frames"].shape, seed=4).requires_grad_())
    generated.identity_maps = [noise(2, *shape).requires_grad_() for shape in MAPS]
    fake = discriminator.train().inputs(batch, generated)
    scores = discriminator(*fake)
    subject.require(len(scores) % 2 == 0, f"{len(scores)} scores of 2 clips: not as many of each")
    subject.require_tensor("scores", scores, scores.shape)
    subject.require_gradients("training", discriminator, scores)
    sources = generated.identity_maps if "identity_maps" in wants else [generated.frames]
    reached = all(t.grad is not None and t.grad.abs().sum() > 0 for t in sources)
    subject.require(reached, "no gradient reaches what is generated")
    _check_kinds(subject, discriminator, batch, fake)


def _check_kinds(subject: Subject, discriminator: Discriminator, batch: Batch, fake: Inputs) -> None:
    """Check that kinds which are scored together have the scores they have alone."""
    real = discriminator.inputs(batch, GeneratorOutput(batch["frames"], batch.identity_maps))
    mismatched = discriminator.mismatched(batch)
    kinds = [real, fake] if mismatched is None else [real, fake, mismatched]
    discriminator.eval()
    with torch.no_grad():
        together = discriminator.score_kinds(real, fake, mismatched)
        subject.require(len(together) == len(kinds), f"score_kinds gives {len(together)} of {len(kinds)}")
        for one, kind in zip(together, kinds, strict=True):
            subject.require_equal("scored together, a kind has other scores", one, discriminator(*kind))


def _batch(discriminator: Discriminator) -> Batch:
    """Make a batch of two clips that holds all that a discriminator needs."""
    frames = discriminator.run_length or WINDOW
    window = frames if discriminator.runs else 1
    sizes, seeds = BatchSizes(2, frames, window, stand_in_graph(lambda slot: None)), count(2)
    batch = Batch(["one", "two"], window=window)
    for field in (Frames(frames, window), *discriminator.fields):
        batch.data.update(field.fake(sizes, lambda *shape: noise(*shape, seed=next(seeds))))
    return place(batch)


def check_face_detector(subject: Subject) -> None:
    """Check that it gives boxes and scores for every picture."""
    detector = subject.build()
    subject.require_contract(detector, FaceDetector)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 48, 40, 3), dtype=np.uint8)
    found = detector(pictures)
    problem = "does not give one Faces for each picture"
    subject.require(len(found) == 2 and all(isinstance(f, Faces) for f in found), problem)
    for faces in found:
        count = len(faces.boxes)
        subject.require(faces.boxes.shape == (count, 4), f"boxes of shape {faces.boxes.shape}")
        subject.require(faces.scores.shape == (count,), f"scores of shape {faces.scores.shape}")
        subject.require(((faces.scores >= 0) & (faces.scores <= 1)).all(), "scores not in [0, 1]")
        ordered = (faces.boxes[:, :2] <= faces.boxes[:, 2:]).all()
        subject.require(ordered, "boxes are not left, top, right, bottom")
