"""Starting from what another run has trained, with people that it did not know."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from helpers_toy import REGISTRY, load_toy, run_toy
from rich.console import Console
from safetensors.torch import load_file

from s2vkit.benchmark.measure import opened, read_or_measure
from s2vkit.benchmark.request import Asked
from s2vkit.build import Builder, data_spec_of
from s2vkit.errors import RecipeError, RunFolderError
from s2vkit.files import read_json, write_json
from s2vkit.runs.folder import about
from s2vkit.runs.start_from import describe_start, open_start, start
from s2vkit.settings import StartFrom
from s2vkit.tensors import save_modules, under, write_tensors
from s2vkit.videos.networks import networks_of

pytestmark = pytest.mark.usefixtures("no_curves")

HEAD = "net.fc.weight"  # the last layer of the identity evaluator: a row a speaker


def build(folder, *sets):
    """Build the toy's graph; its random weights depend on the seed."""
    recipe = load_toy(folder, *sets).recipe
    builder = Builder(recipe, REGISTRY)
    return builder, builder.graph(data_spec_of(builder.dataset()))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run folder as training leaves one, of random weights: the last stage's generator counts."""
    folder = tmp_path_factory.mktemp("source")
    builder, graph = build(folder, "seed=77")
    run = folder / "run"
    groups = {
        "faces": ("teacher", "evaluator"),
        "voice": ("student",),
        "compose": ("generator", "discriminator"),
    }
    for stage, kinds in groups.items():
        trained = {name: m for name, m in graph.modules().items() if name.split(".")[0] in kinds}
        save_modules(run / "stages" / stage / "weights.safetensors", trained)
        write_json(run / "stages" / stage / "done.json", {})
    write_json(run / "graph.json", {"stages": [{"name": name} for name in groups]})
    write_json(run / "run.json", about())
    builder.save_bundle(run / "model", graph)
    return run, graph


def weights(graph):
    return {f"{n}/{k}": v.clone() for n, m in graph.modules().items() for k, v in m.state_dict().items()}


def begin(folder, source, *sets, **options):
    """Build a graph and start it; gives it, its random weights before, and what was found."""
    options = StartFrom(run=str(source), **options)
    builder, graph = build(folder, *sets)
    before, found = weights(graph), open_start(options, folder / "run")
    return graph, before, found, start(graph, found, options, builder)


def test_the_same_parts_have_the_weights_of_the_source(tmp_path, source):
    graph, before, found, started = begin(tmp_path, source[0])
    ours, theirs = weights(graph), weights(source[1])
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert any(not torch.equal(before[key], theirs[key]) for key in theirs)
    assert set(started.parts) == {n for n, m in graph.modules().items() if m.state_dict()}
    assert describe_start(found, started) == [f"{', '.join(started.parts)}: weights from {source[0]}"]


def test_a_new_person_has_a_row_of_its_own_beside_those_that_are_known(tmp_path, source):
    graph, before, found, started = begin(tmp_path, source[0], "data.speakers=3")
    ours, theirs = weights(graph), weights(source[1])
    grown = {key for key in ours if ours[key].shape != theirs[key].shape}
    assert {key.split("/")[0] for key in grown} == {"teacher.identity", "evaluator.identity"}
    assert all(torch.equal(ours[key], theirs[key]) for key in ours.keys() - grown)
    for key in grown:
        assert torch.equal(ours[key][:2], theirs[key])
        assert torch.equal(ours[key][2], before[key][2])
    assert describe_start(found, started)[-1] == f"new identity: {graph.data_spec.labels['identity'][2]}"


def test_people_are_known_by_name_and_not_by_their_place(tmp_path, source):
    options = StartFrom(run=str(source[0]))
    builder, graph = build(tmp_path)
    spec = graph.data_spec
    first, _ = spec.labels["identity"]
    turned = builder.graph(replace(spec, labels={**spec.labels, "identity": ("another", first)}))
    before = weights(turned)
    start(turned, open_start(options, tmp_path), options, builder)
    ours, theirs = (weights(one)[f"evaluator.identity/{HEAD}"] for one in (turned, source[1]))
    assert torch.equal(ours[1], theirs[0])
    assert torch.equal(ours[0], before[f"evaluator.identity/{HEAD}"][0])
    strangers = builder.graph(replace(spec, labels={**spec.labels, "identity": ("a", "b", "c")}))
    before = weights(strangers)
    start(strangers, open_start(options, tmp_path), options, builder)
    assert torch.equal(weights(strangers)[f"evaluator.identity/{HEAD}"], before[f"evaluator.identity/{HEAD}"])


def test_of_a_bundle_or_of_named_parts_the_others_start_anew(tmp_path, source):
    graph, before, _, started = begin(tmp_path, source[0] / "model")
    assert set(started.parts) == {"encoder", "generator", "student.identity", "student.emotion"}
    assert "teacher.identity" in started.anew
    ours = weights(graph)
    assert all(torch.equal(ours[key], before[key]) for key in ours if key.startswith("teacher"))
    _, _, _, some = begin(tmp_path, source[0], parts=["student", "evaluator.emotion"])
    assert set(some.parts) == {"student.identity", "student.emotion", "evaluator.emotion"}


@pytest.mark.parametrize(
    ("sets", "options", "error", "message"),
    [
        (["generator.width=32"], {}, RecipeError, "generator is built otherwise than in .*/run"),
        ([], {"parts": ["teachers"]}, RecipeError, "'teachers' is not a part of this recipe"),
        ([], {"run": "no/such"}, RunFolderError, "no/such: no such run or model folder"),
    ],
)
def test_what_does_not_fit_is_reported(tmp_path, source, sets, options, error, message):
    with pytest.raises(error, match=message):
        begin(tmp_path, options.pop("run", source[0]), *sets, **options)


def added_to(source):
    """Give the settings by which a run adds a third person to another, quickly."""
    trained = ("train_evaluators", "distill", "pretrain_sync", "pretrain_mouth", "compose")
    return (
        f"start_from.run={source}",
        "data.speakers=3",
        "stages.train_teachers=null",
        "stages.distill.after=[]",
        *(f"stages.{name}.steps=1" for name in trained),
    )


def change(run, stage, part):
    """Train a part of a finished run otherwise, behind its back."""
    path = run / "stages" / stage / "weights.safetensors"
    tensors = load_file(path)
    write_tensors({key: 0 * v if key.startswith(f"{part}/") else v for key, v in tensors.items()}, path)


def test_a_run_keeps_what_it_started_from_and_depends_on_it(tmp_path, source):
    shutil.copytree(source[0], tmp_path / "source")
    sets = (*added_to(tmp_path / "source"), "stages.evaluate=null")
    printed = run_toy(tmp_path, *sets, quiet=True)
    assert "new identity: " in printed
    kept = load_file(tmp_path / "run" / "start" / "weights.safetensors")
    assert all(torch.equal(kept[key], value) for key, value in weights(source[1]).items())
    done = {path: read_json(path) for path in (tmp_path / "run").rglob("done.json")}
    assert len(done) == 5
    shutil.move(tmp_path / "source", tmp_path / "gone")
    run_toy(tmp_path, *sets, quiet=True)
    assert {path: read_json(path) for path in done} == done
    shutil.move(tmp_path / "gone", tmp_path / "source")
    change(tmp_path / "source", "voice", "student.emotion")
    printed = run_toy(tmp_path, *sets, dry=True)
    assert printed.count("changed, so again") == 2  # distill and compose, not the evaluators


def test_a_finished_run_is_measured_by_the_evaluators_that_it_started_from(tmp_path, source):
    shutil.copytree(source[0], tmp_path / "source")
    run_toy(tmp_path, *added_to(tmp_path / "source"), "stages.train_evaluators.only=[identity]", quiet=True)
    change(tmp_path / "source", "faces", "evaluator.emotion")
    run, console = tmp_path / "run", Console(quiet=True)
    figures = read_or_measure(run, Asked(split="val"), console, REGISTRY).figures
    assert {"identity_accuracy", "emotion_accuracy"} <= set(figures)
    ours = source[1].modules()["evaluator.emotion"].state_dict()
    with opened(run, console, REGISTRY) as taken_up:
        assert same(taken_up.graph.modules()["evaluator.emotion"].state_dict(), ours)
    trained = load_file(run / "stages" / "train_evaluators" / "weights.safetensors")
    networks = networks_of(run, REGISTRY).named()
    assert same(networks["evaluator.emotion"].state_dict(), ours)
    assert same(networks["evaluator.identity"].state_dict(), under(trained, "evaluator.identity/"))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
