"""Optional abilities are declared by a contract; one that is misspelt fails the check of its kind."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

import s2vkit
from s2vkit.plugins import registry
from s2vkit.registry import Entry
from s2vkit.testing import ContractError
from s2vkit.testing.abilities import hidden, misspelt
from s2vkit.testing.checking import Subject

# Of every contract: an ability that is optional, and how a plugin's author might write it.
MISSPELT = {
    "AudioEncoder": ("stream", "streams"),
    "Teacher": ("has_head", "has_heads"),
    "Student": ("last_layer", "last_layers"),
    "Generator": ("context_radius", "context_radious"),
    "Discriminator": ("mismatched", "mismatch"),
    "AdversarialLoss": ("looks_real", "look_real"),
    "FaceDetector": ("blind", "blinded"),
    "SyncEvaluator": ("pretrained", "pretained"),
    "Watermark": ("window", "windows"),
    "Metric": ("compute", "computes"),
    "Probe": ("sides", "side"),
    "Dataset": ("sample_rate", "samplerate"),
    "Footage": ("survey", "surveys"),
    "Stage": ("thresholds", "treshholds"),
    "Job": ("splits", "splitts"),
    "Landmarks": ("pretrained", "pretained"),
    "Logger": ("picture", "pictures"),
}


def subject(kind: str = "student") -> Subject:
    """Return a subject whose messages name a part of a test."""
    entry = Entry(kind, "broken", "nowhere:it", s2vkit.Options, "a test")
    return Subject(entry, None, None, registry())


def part(contract: type, **words: object) -> object:
    """Make a part of a contract that has these words besides."""
    cls = type("Part", (contract,), dict(words))
    made = cls.__new__(cls)
    if isinstance(made, nn.Module):
        nn.Module.__init__(made)
    return made


def test_every_contract_is_tried():
    bases = {name for name in s2vkit._LAZY if isinstance(getattr(s2vkit, name), type)}
    told = {name for name in bases if "Base of" in (getattr(s2vkit, name).__doc__ or "")}
    no_ability = {"PairLoss", "IndependenceLoss"}  # all of their words are required
    no_component = {"Callback", "PenalisedLoss"}  # what others derive from, not a contract of a kind
    assert told == {*MISSPELT} | no_ability | no_component


@pytest.mark.parametrize("name", MISSPELT)
def test_a_misspelt_ability_is_caught(name):
    contract, (ability, wrong) = getattr(s2vkit, name), MISSPELT[name]
    assert list(misspelt(part(contract, **{wrong: True}), contract)) == [(wrong, ability)]
    with pytest.raises(ContractError, match=f"'{wrong}' is no word of {name}; '{ability}' is"):
        subject().require_contract(part(contract, **{wrong: True}), contract)


@pytest.mark.parametrize("name", MISSPELT)
def test_a_part_that_says_nothing_more_passes(name):
    contract = getattr(s2vkit, name)
    subject().require_contract(part(contract, colour=3, _stream=None), contract)


def test_what_is_near_to_an_ability_that_is_there_passes():
    encoder = part(s2vkit.AudioEncoder, encode=lambda self, speech: speech, encoder=None)
    assert list(misspelt(encoder, s2vkit.AudioEncoder)) == []


def test_a_submodule_that_a_method_hides_is_caught():
    """Else `self.head` would be the contract's method, and the layer never be used."""
    teacher = part(s2vkit.Teacher)
    teacher.head = nn.Linear(2, 2)
    assert hidden(teacher, s2vkit.Teacher) == ["head"]
    with pytest.raises(ContractError, match=r"its submodule 'head' is hidden by Teacher\.head"):
        subject().require_contract(teacher, s2vkit.Teacher)


def test_a_part_of_another_base_is_caught():
    with pytest.raises(ContractError, match=r"is not derived from s2vkit\.Student"):
        subject().require_contract(SimpleNamespace(), s2vkit.Student)


def test_defaults_are_those_of_a_part_without_the_ability():
    generator = part(s2vkit.Generator)
    assert (generator.context_radius, generator.warmup_frames, generator.audio_samples) == (0, 0, 0)
    assert not generator.takes_reference_image
    assert part(s2vkit.AudioEncoder).stream() is None
    assert part(s2vkit.Student).last_layer() is None
    assert part(s2vkit.Teacher).maps(torch.zeros(1, 3, 8, 8)) == []
    assert not part(s2vkit.FaceDetector).blind
    loss: s2vkit.AdversarialLoss = part(s2vkit.AdversarialLoss)
    scores: Tensor = torch.zeros(1)
    assert loss.looks_real(scores) is None
