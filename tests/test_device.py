"""The choice of a device, of precision, layout and determinism, with no GPU at hand."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch
from helpers_toy import REGISTRY, load_toy
from test_contracts import TINY
from test_pretended_devices import RECIPES
from torch import nn

from s2vkit.build import Builder
from s2vkit.device import Policy, bf16_is_native, choose
from s2vkit.errors import RecipeError, ResourceError
from s2vkit.nn.precision import exact
from s2vkit.settings import Compute
from s2vkit.testing import MissingPackageError, check_component
from s2vkit.testing.checking import Subject

CUDA = torch.device("cuda")


@pytest.fixture
def two_gpus(monkeypatch):
    """Have torch say that there are two CUDA devices; nothing is computed on them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "device", lambda device: torch.device("cpu"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)


@pytest.fixture
def restored():
    """Leave torch's choice of algorithms, and cuBLAS's, as they were."""
    benchmark, config = torch.backends.cudnn.benchmark, os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = benchmark
    os.environ.pop("CUBLAS_WORKSPACE_CONFIG", None)
    if config is not None:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = config


@pytest.mark.parametrize("name", ["nonsense", "cuda:x", "cuda:-1", "gpu", ""])
def test_a_name_of_no_device_is_a_recipe_error(name):
    with pytest.raises(RecipeError, match="names no device"):
        choose(Compute().model_copy(update={"device": name}))


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an Apple GPU")
def test_an_apple_gpu_that_is_not_there_is_named():
    with pytest.raises(ResourceError, match="torch finds no Apple GPU"):
        choose(Compute(device="mps"))


def test_a_gpu_beyond_the_last_is_named(two_gpus):
    with pytest.raises(ResourceError, match="only 2, of which the last is cuda:1"):
        choose(Compute(device="cuda:2"))
    assert choose(Compute(device="cuda:1")).device.index == 1


def test_bf16_is_chosen_only_where_it_is_native(two_gpus, monkeypatch):
    emulated = choose(Compute(device="cuda"))
    assert (emulated.precision, emulated.channels_last, emulated.compile) == ("fp32", True, True)
    assert choose(Compute(device="cuda", precision="bf16")).precision == "bf16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert choose(Compute(device="cuda")).precision == "bf16"


@pytest.mark.parametrize(
    ("capabilities", "precision"), [({"amx_bf16": True}, "bf16"), ({"avx2": True}, "fp32")]
)
def test_a_cpu_computes_in_bf16_where_it_has_amx(monkeypatch, capabilities, precision):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    chosen = choose(Compute(device="cpu", threads=torch.get_num_threads()))
    assert (chosen.precision, chosen.channels_last) == (precision, precision == "bf16")
    asked = Compute(device="cpu", precision="fp32", threads=torch.get_num_threads())
    assert choose(asked).precision == "fp32"


@pytest.mark.parametrize("asked", ["auto", "bf16"])
def test_what_figures_hang_on_is_computed_in_fp32_unless_bf16_was_asked_for(monkeypatch, asked):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    chosen = choose(Compute(device="cpu", precision=asked, threads=torch.get_num_threads()))
    drawing, judging = SimpleNamespace(precise=False), SimpleNamespace(precise=True)
    assert chosen.of(drawing) == chosen
    exact = "fp32" if asked == "auto" else "bf16"
    assert (chosen.of(judging).precision, chosen.of(judging).channels_last) == (exact, True)


def test_a_run_goes_on_as_it_began_on_another_cpu(monkeypatch):
    asked = Compute(device="cpu", threads=torch.get_num_threads())
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    there = choose(asked)
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert choose(asked) != there
    assert choose(asked, there.precision) == there


def test_a_torch_that_does_not_say_what_the_cpu_has_computes_in_fp32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert not bf16_is_native(torch.device("cpu"))


def test_losses_are_scaled_in_fp16_only():
    assert Policy(torch.device("cpu"), "fp16").scaler().is_enabled()
    assert not Policy(torch.device("cpu"), "bf16").scaler().is_enabled()
    with Policy(torch.device("cpu"), "fp16").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float16


def test_images_and_videos_are_laid_out_each_in_their_own_format():
    both = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv3d(2, 4, 3), nn.Conv1d(2, 4, 3), nn.BatchNorm2d(4))
    kept = both[0].weight
    Policy(torch.device("cpu"), channels_last=True).place(both)
    assert both[0].weight is kept
    assert both[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert both[1].weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert both[2].weight.is_contiguous()


def test_what_does_not_train_is_frozen_and_in_eval_mode():
    parts = {"trained": nn.Linear(2, 2), "frozen": nn.Linear(2, 2)}
    Policy(torch.device("cpu")).place_all(parts, training={"trained"})
    assert parts["trained"].training
    assert not parts["frozen"].training
    assert [p.requires_grad for name in parts for p in parts[name].parameters()] == [True, True, False, False]


def test_a_policy_names_all_that_was_chosen():
    chosen = Policy(CUDA, "fp16", channels_last=True, compile=True, deterministic=True)
    assert str(chosen) == "cuda (fp16, channels_last, compiled, deterministic)"


def test_deterministic_lasts_until_another_policy_is_chosen(restored, monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    assert choose(Compute(device="cpu", deterministic=True)).deterministic
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    choose(Compute(device="cpu"))
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_workspace_of_cublas_that_is_not_deterministic_is_refused(restored, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    with pytest.raises(ResourceError, match="CUBLAS_WORKSPACE_CONFIG=:0:0"):
        choose(Compute(device="cpu", deterministic=True))


def test_every_part_of_a_recipe_can_be_placed(tmp_path):
    graph = Builder(load_toy(tmp_path).recipe, REGISTRY).graph()
    Policy(torch.device("cpu"), channels_last=True).place_all(graph.modules())


class Built(BaseException):
    """Ends a contract's check as soon as the component is built."""


NETWORKS = ("audio_encoder", "teacher", "student", "generator", "discriminator", "sync_evaluator")


@pytest.mark.parametrize(
    ("kind", "name", "options"),
    [(kind, name, o) for (kind, name), given in TINY.items() if kind in NETWORKS for o in given],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_component_can_be_placed_with_every_layout(monkeypatch, kind, name, options):
    build, placed = Subject.build, []

    def build_and_place(self, **sizes):
        part = build(self, **sizes)
        placed.append(Policy(torch.device("cpu"), channels_last=True).place(part))
        raise Built

    monkeypatch.setattr(Subject, "build", build_and_place)
    try:
        check_component(kind, name, **options)
    except Built:
        pass
    except MissingPackageError as error:
        pytest.skip(str(error))
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for tensor in (*placed[0].parameters(), *placed[0].buffers()):
        assert tensor.is_contiguous(memory_format=layouts.get(tensor.dim(), torch.contiguous_format))


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_part_of_these_recipes_can_be_placed_channels_last(tmp_path, recipe):
    more = RECIPES[recipe] + "sync_evaluator: {use: syncnet, width: 0.05, input_size: 56}\n"
    graph = Builder(load_toy(tmp_path, more=(more,)).recipe, REGISTRY).graph()
    Policy(torch.device("cpu"), channels_last=True).place_all(graph.modules())


def test_exact_numbers_of_an_apple_gpu_are_computed_on_the_cpu():
    far = SimpleNamespace(device=SimpleNamespace(type="mps"), cpu=lambda: torch.ones(2))
    assert (exact(far).device.type, exact(far).dtype) == ("cpu", torch.float64)
