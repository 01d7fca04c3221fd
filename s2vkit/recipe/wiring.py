"""The rules across slots: which names go together, and who gives what others want.

Works on stand-ins too: of a slot that could not be resolved nothing is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from s2vkit.options import Options, Slot, StageOptions, label_of_evaluator, slot_fields, value_of
from s2vkit.recipe.nodes import Map, Path, children, find, is_null, place_of
from s2vkit.recipe.old_words import new_name, renamed
from s2vkit.recipe.report import Problems
from s2vkit.recipe.schema import Recipe
from s2vkit.recipe.stages import check_order
from s2vkit.registry import Entry, Registry, nearest, plural

SIDES = ("identity", "emotion")  # of a face, in the paper; a recipe may name others
OF_THE_HOST = ("reference_images", "audio_windows")  # what a generator may want of the host itself
FROM_SPEECH = ("summary", "codes")  # what a metric may want of the speech side
NO_LABELS = ("speech", "frames", "landmarks")  # what a dataset gives that no network is told as a label


def wire(recipe: Recipe, root: Map, registry: Registry, problems: Problems) -> Wired:
    """Check a recipe across its slots and leave out what has nothing to go with."""
    wired = Wired(recipe, root, registry, problems)
    wired.drop_sides()
    wired.check_discriminators()
    wired.check_speech()
    wired.check_labels()
    check_order(recipe, root, problems)
    wired.check_stages()
    return wired


@dataclass
class Wired:
    """A recipe while it is wired: `recipe` is adapted, `dropped` says how."""

    recipe: Recipe
    root: Map
    registry: Registry
    problems: Problems
    dropped: list[str] = field(default_factory=list)

    def entry(self, slot: Slot | None) -> Entry | None:
        """Find a slot's registry entry; None for a stand-in."""
        return self.registry.entries.get((slot.kind, slot.use)) if slot else None

    def add(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """Note a problem at a path: at the name of a slot's component, or at the key."""
        item = find(self.root, (*path, "use")) if not key else None
        place = item.place if item else place_of(self.root, path, key=key)
        self.problems.add(place, path, message, hint)

    def sound(self, *path: str) -> bool:
        """Return whether a path holds a mapping or nothing; else there is a problem already."""
        item = find(self.root, path)
        return item is None or is_null(item.value) or isinstance(item.value, Map)

    def drop_sides(self) -> None:
        """Leave out students whose teacher is left out; a teacher without a student is wrong."""
        teachers, students = self.recipe.teachers, self.recipe.students
        if not (self.sound("teachers") and self.sound("students")):
            return
        kept = {side: slot for side, slot in students.items() if side in teachers}
        for side in students:
            if side not in teachers:
                self.note(f"students.{side}", f"there is no teachers.{side}")
        for side in teachers:
            if side not in students:
                known = ", ".join(self.registry.names("student"))
                hint = f"add `students: {{{side}: NAME}}` (known students: {known}), "
                hint += f"or leave the side out with `teachers: {{{side}: null}}`"
                self.add(("teachers", side), f"no student learns from teacher '{side}'", hint, key=True)
        self.recipe = self.recipe.model_copy(update={"students": kept})

    def sides(self) -> set[str]:
        """Name the sides of a face: those of the paper, and those of this recipe."""
        return {*SIDES, *self.recipe.teachers}

    def note(self, path: str, why: str) -> None:
        """Note what is left out, once."""
        self.dropped.append(f"{path} is left out, because {why}")

    def check_discriminators(self) -> None:
        """Return every discriminator what it wants, or leave it out with the identity side."""
        kept = {}
        no_identity = "identity" not in self.recipe.teachers
        for name, slot in self.recipe.discriminators.items():
            entry = self.entry(slot)
            if entry and "identity_maps" in entry.wants and no_identity:
                self.note(f"discriminators.{name}", "there is no teachers.identity")
                continue
            kept[name] = slot
            if entry:
                self._check_discriminator(name, entry)
        self.recipe = self.recipe.model_copy(update={"discriminators": kept})

    def _check_discriminator(self, name: str, entry: Entry) -> None:
        path: Path = ("discriminators", name)
        teacher = self.entry(self.recipe.teachers.get("identity"))
        generator, encoder = (self.entry(self.recipe.generator), self.entry(self.recipe.audio_encoder))
        what = f"discriminator '{entry.name}'"
        if "identity_maps" in entry.wants:
            if teacher and "maps" not in teacher.gives:
                message = f"{what} compares the identity teacher's maps, but '{teacher.name}' "
                self.add(path, message + "gives none", self._fits("teacher", "maps", name))
            if generator and "identity_maps" not in generator.gives:
                message = f"{what} compares identity maps, but generator '{generator.name}' "
                hint = self._fits("generator", "identity_maps", name)
                self.add(path, message + "makes none", hint)
        of_frames = {"windows": "frames", "reference_images": "frames"}
        wanted = {of_frames.get(want, want) for want in entry.wants} - {"identity_maps", *self.sides()}
        if generator and encoder and not wanted <= {*generator.gives, *encoder.gives}:
            lacking = " and ".join(sorted(wanted - {*generator.gives, *encoder.gives}))
            message = f"{what} wants {lacking}, which neither generator '{generator.name}' "
            self.add(path, message + f"nor audio_encoder '{encoder.name}' gives")
        self._check_sides(path, entry)

    def _fits(self, kind: str, word: str, name: str) -> str:
        fits = ", ".join(e.name for e in self.registry.of_kind(kind) if word in e.gives)
        leave = f"or leave it out with `discriminators: {{{name}: null}}`"
        return f"{plural(kind)} that fit: {fits or 'none'}; {leave}"

    def check_speech(self) -> None:
        """Return the generator and the students what they want of the audio encoder."""
        encoder = self.entry(self.recipe.audio_encoder)
        parts: list[tuple[Path, Slot]] = [(("generator",), self.recipe.generator)]
        parts += [(("students", side), s) for side, s in self.recipe.students.items()]
        for path, slot in parts:
            entry = self.entry(slot)
            lacking = set(entry.wants) - set(encoder.gives) if entry and encoder else set()
            for word in sorted(lacking - {*self.sides(), *OF_THE_HOST}):
                message = f"{slot.kind} '{slot.use}' wants {word}, which audio_encoder "
                self.add(path, message + f"'{self.recipe.audio_encoder.use}' does not give")
            if entry:
                self._check_sides(path, entry)

    def _check_sides(self, path: Path, entry: Entry) -> None:
        for side in sorted(self.sides()):
            if side in entry.wants and side not in self.recipe.teachers:
                message = f"{entry.kind} '{entry.name}' needs the {side} side, "
                hint = f"add teachers.{side} and students.{side}"
                self.add(path, message + "which this recipe leaves out", hint)

    def check_labels(self) -> None:
        """Check that the corpus has what teachers, evaluators and landmarks are trained on."""
        entry = self.entry(self.recipe.data)
        if entry is None:
            return
        labels = [word for word in entry.gives if word not in NO_LABELS]
        groups = {"teachers": self.recipe.teachers, "evaluators": self.recipe.evaluators}
        for group, slots in groups.items():
            for name, slot in slots.items():
                ready = group == "teachers" and value_of(slot.options, "checkpoint")
                label = label_of_evaluator(name, slots) if group == "evaluators" else name
                if label in labels or ready:
                    continue
                new = new_name(name, group)
                if new is not None:
                    self.add((group, name), renamed("the name", name, new), f"write {new!r}", key=True)
                    continue
                message = f"dataset '{entry.name}' has no '{label}' to train this {group[:-1]} on"
                hint = f"it has: {', '.join(labels) or 'no labels'}; "
                hint += "set the teacher's checkpoint, " if group == "teachers" else ""
                self.add((group, name), message, hint + f"or `{group}: {{{name}: null}}`")
        finder = self.entry(self.recipe.landmarks)
        if finder and not set(finder.wants) <= set(entry.gives):
            message = f"dataset '{entry.name}' has no true points to train landmarks '{finder.name}' on"
            others = [e.name for e in self.registry.of_kind("landmarks") if not e.wants]
            self.add(("landmarks",), message, f"landmarks that need no training: {', '.join(others)}")

    def check_stages(self) -> None:
        """Check every stage's optimizers and metrics, and adapt its optimizers."""
        stages = {}
        for name, slot in self.recipe.stages.items():
            path = ("stages", name)
            options = slot.options
            if isinstance(options, StageOptions) and options.optimizer_keys == "networks":
                options = self._networks(options, path)
            for below, inner in slots_in(options, path):
                entry = self.entry(inner)
                if entry and inner.kind == "metric":
                    self._check_metric(below, entry, inner.options)
                elif entry:
                    self._check_sides(below, entry)
            stages[name] = Slot(slot.kind, slot.use, options)
        self.recipe = self.recipe.model_copy(update={"stages": stages})

    def _networks(self, options: Options, path: tuple[str, ...]) -> Options:
        if not (self.sound("discriminators") and self.sound(*path, "optimizers")):
            return options
        everybody = {*self.recipe.discriminators}
        listed = value_of(options, "discriminators") or everybody
        self._unknown_networks(listed, everybody, (*path, "discriminators"))
        present = {"generator", *everybody.intersection(listed)}
        written = find(self.root, ("discriminators",))
        gone = {str(name) for name, _ in children(written.value)} - present if written else set()
        changed = {}
        for name in ("optimizers", "weights", "shares"):
            given = value_of(options, name)
            if isinstance(given, dict):
                changed[name] = {k: v for k, v in given.items() if k not in gone}
                networks = present if name == "optimizers" else present - {"generator"}
                self._unknown_networks(changed[name], networks, (*path, name))
        for network in sorted(present - {*changed.get("optimizers", {})}, key=_by_role):
            if "optimizers" in changed and find(self.root, (*path, "optimizers")):
                role = network if network == "generator" else f"discriminator '{network}'"
                hint = f"add `{network}: {{lr: 1.0e-4}}`"
                below = (*path, "optimizers", network)
                self.add(below, f"no optimizer for {role}", hint)
        return options.model_copy(update=changed)

    def _unknown_networks(self, given: Iterable[str], known: set[str], path: Path) -> None:
        for name in given:
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean '{near}'? " if near else ""
                hint += f"known names: {', '.join(sorted(known, key=_by_role))}"
                message = f"'{name}' is neither 'generator' nor a discriminator of this recipe"
                if "generator" not in known:
                    message = f"'{name}' is not a discriminator of this recipe"
                self.add((*path, name), message, hint, key=True)

    def _check_metric(self, path: Path, entry: Entry, options: Options) -> None:
        data = self.entry(self.recipe.data)
        asked = value_of(options, "evaluator")
        for word in entry.wants:
            kind, _, name = word.partition(".")
            if word in FROM_SPEECH:
                if not self.recipe.students:
                    message = f"metric '{entry.name}' looks at {word}, but there is no student"
                    self.add(path, message, "add a teacher and its student")
            elif word == "sync_evaluator":
                self._check_sync_evaluator(path, entry)
            elif word == "landmarks":
                self._check_landmarks(path, entry)
            elif kind in ("evaluator", "evaluators"):
                self._check_evaluators(path, entry, kind, name, asked or name)
            elif data and word not in data.gives:
                message = f"metric '{entry.name}' compares with '{word}', "
                self.add(path, message + f"which dataset '{data.name}' does not bring")

    def _check_evaluators(self, path: Path, entry: Entry, kind: str, label: str, name: str) -> None:
        """Check that the evaluator asked is there and knows the label, or that there are several."""
        evaluators, what = self.recipe.evaluators, f"metric '{entry.name}'"
        known = ", ".join(self.registry.names("teacher"))
        fits = [n for n in evaluators if label_of_evaluator(n, evaluators) == label]
        if name not in evaluators:
            message = f"{what} asks the evaluator '{name}', which is not there"
            self.add(path, message, f"add `evaluators: {{{name}: NAME}}`; known teachers: {known}")
        elif label_of_evaluator(name, evaluators) != label:
            message = f"{what} asks the evaluator '{name}', who knows {label_of_evaluator(name, evaluators)}"
            self.add(path, message, f"evaluators of {label}: {', '.join(fits) or 'none'}")
        elif kind == "evaluators" and len(fits) < 2:
            message = f"{what} compares evaluators of '{label}', and there is only one"
            hint = f"add `evaluators: {{{label}_2: NAME}}` and a stage that trains it; "
            self.add(path, message, f"{hint}known teachers: {known}")

    def _check_landmarks(self, path: Path, entry: Entry) -> None:
        if self.recipe.landmarks is None and self.sound("landmarks"):
            known = ", ".join(self.registry.names("landmarks"))
            message = f"{entry.kind} '{entry.name}' measures the points of a face, which nothing finds"
            self.add(path, message, f"add `landmarks: NAME`; known: {known}")

    def _check_sync_evaluator(self, path: Path, entry: Entry) -> None:
        if self.recipe.sync_evaluator is None and self.sound("sync_evaluator"):
            known = ", ".join(self.registry.names("sync_evaluator"))
            message = f"{entry.kind} '{entry.name}' asks the sync evaluator, which is not there"
            self.add(path, message, f"add `sync_evaluator: NAME`; known sync evaluators: {known}")


def slots_in(options: Options, path: Path) -> Iterator[tuple[Path, Slot]]:
    """Walk over the slots that options hold, those of nested options too."""
    slots = slot_fields(type(options))
    for name in type(options).model_fields:
        value = getattr(options, name, None)  # stand-ins for wrong options lack fields
        if isinstance(value, Options):
            yield from slots_in(value, (*path, name))
        elif name in slots and isinstance(value, Slot):
            yield (*path, name), value
        elif name in slots and isinstance(value, dict):
            yield from (((*path, name, key), slot) for key, slot in value.items())


def _by_role(name: str) -> tuple[bool, str]:
    return name != "generator", name
