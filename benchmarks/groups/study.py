"""Batches of people who go together: are they told from a random draw, and who is refused.

    python -m benchmarks.groups

For each album a champion, a bank and, for each group and each random draw of as many people, three
honest retrains are trained. Says how many more of the forgotten's mates are forgotten than of
strangers' (`erased_mates`), and what the policy's gates say of the untouched champion, of its
flattened forms and of the retrains; of a group once more by models that were trained without it
(`references` in the policy). Networks are kept under --cache. Writes groups.json.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import record, rules
from benchmarks.groups.albums import ALBUMS, Album
from benchmarks.methods.grounds import CACHE
from unlearning import networks
from unlearning.bank.shadows import Bank, draw_halves
from unlearning.contracts import Gate
from unlearning.domain import BoolArray, Split, joined
from unlearning.features import head_of
from unlearning.gates.groups import MATES, group
from unlearning.judging.candidates import Basis, basis_of, judge_candidate
from unlearning.networks import Classifier
from unlearning.outputs import accuracy, logits_of
from unlearning.statistics.intervals import LEVEL
from unlearning.training.loop import train

SHADOWS, RETRAINED, REFERENCES = 16, 3, 8

TEMPERATURES = (8.0, 20.0)
"""Of forms of the champion that forgot nothing."""


def trained(album: Album, on: BoolArray, seed: int, path: Path) -> Path:
    """Train a network on some of the training examples, where its file is missing."""
    if not path.exists():
        rng = torch.Generator().manual_seed(seed)
        built = networks.build(album.recipe, rng)
        network = train(built, album.train.take(on), album.training, rng)
        assert isinstance(network, Classifier)
        networks.save(network, path)
    return path


def bank_of(album: Album, folder: Path) -> Bank:
    """Train the shadows, each on half of the people, and give what they answer."""
    everyone = joined(album.train, album.holdout)
    seen = draw_halves(everyone.subjects, SHADOWS, np.random.default_rng(0))
    halves = seen[:, : len(album.train)]
    files = [
        trained(album, on, 1000 + k, folder / f"shadow-{k:02d}.safetensors")
        for k, on in enumerate(halves)
    ]
    logits = [logits_of(networks.load(path), everyone) for path in files]
    tests = [accuracy(z[len(album.train) :], album.holdout.labels) for z in logits]
    return Bank(everyone.ids, seen, np.stack(logits), np.array(tests), halves.sum(1).astype(float))


def candidates(
    album: Album, forgets: BoolArray, name: str, folder: Path
) -> Iterator[tuple[str, str, Path]]:
    """Give the name, kind and file of each candidate for a forget set."""
    champion = folder / "champion.safetensors"
    yield "untouched", "gross", champion
    for temperature in TEMPERATURES:
        path = folder / f"flattened-{temperature:g}.safetensors"
        if not path.exists():
            networks.save(flattened(networks.load(champion), temperature), path)
        yield f"logits divided by {temperature:g}", "gross", path
    for k in range(RETRAINED):
        path = folder / f"without {name}-{k}.safetensors"
        yield "retrained", "good", trained(album, ~forgets, 50 + k, path)


def flattened(network: Classifier, temperature: float) -> Classifier:
    """Divide the last layer, and with it every logit, by a temperature."""
    copy = deepcopy(network)
    with torch.no_grad():
        for parameter in head_of(copy).parameters():
            parameter.div_(temperature)
    return copy


def judged(album: Album, folder: Path) -> Iterator[dict[str, Any]]:
    """Judge every candidate on every forget set of an album."""
    folder.mkdir(parents=True, exist_ok=True)
    champion = trained(
        album, np.ones(len(album.train), dtype=bool), 0, folder / "champion.safetensors"
    )
    bank, gates = bank_of(album, folder), rules.gates(whole_classes=False)
    for name, forgets in album.sets(np.random.default_rng(3)).items():
        split = _split(album, forgets)
        basis = basis_of(champion, split, bank)
        yield from _rows(album, forgets, name, folder, basis, gates, "shadows")
        if group(basis.known):
            apart = references(album, forgets, name, folder)
            basis = basis_of(champion, split, bank, mates=basis.known[MATES], apart=apart)
            yield from _rows(album, forgets, name, folder, basis, gates, "models without it")


def references(album: Album, forgets: BoolArray, name: str, folder: Path) -> list[Path]:
    """Train the models that a group is judged by; no candidate is one of them."""
    return [
        trained(album, ~forgets, 500 + k, folder / f"apart {name}-{k}.safetensors")
        for k in range(REFERENCES)
    ]


def _rows(
    album: Album,
    forgets: BoolArray,
    name: str,
    folder: Path,
    basis: Basis,
    gates: Sequence[Gate],
    against: str,
) -> Iterator[dict[str, Any]]:
    for candidate, kind, path in candidates(album, forgets, name, folder):
        found, _ = judge_candidate(path, basis, gates, level=LEVEL, exact=False)
        numbers = {
            key: [round(x, 4) for x in (m.value, m.low, m.high)]
            for key, m in found.measured.items()
            if key in ("forget_auc", "erased_mates", "mean_score")
        }
        yield {
            "album": album.name,
            "forgotten": name,
            "examples": int(forgets.sum()),
            "candidate": candidate,
            "is a": kind,
            "held against": against,
            "decision": str(found.decision),
            "forgetting": next(v.reason for v in found.verdicts if v.gate == "forgetting"),
            **numbers,
        }


def _split(album: Album, forgets: BoolArray) -> Split:
    """Cut the holdout set in two: the attack's strangers, and the test set."""
    late = np.arange(len(album.holdout)) % 3 == 0
    parts = album.train.take(forgets), album.train.take(~forgets)
    others = album.holdout.take(~late), album.holdout.take(late)
    return Split(*parts, *others, album.recipe.classes)


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its JSON file."""
    torch.set_num_threads(1)
    rows = [
        row for name in args.albums for row in judged(ALBUMS[name](), args.cache / "groups" / name)
    ]
    settings = {
        "albums": args.albums,
        "shadows": SHADOWS,
        "retrained": RETRAINED,
        "references": REFERENCES,
    }
    return record.write("groups", settings, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="groups", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--albums", nargs="+", choices=sorted(ALBUMS), default=sorted(ALBUMS))
    parser.add_argument("--cache", type=Path, default=CACHE)
    args = parser.parse_args(arguments)
    record.perform("groups", lambda: run(args))
