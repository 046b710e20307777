"""What AMUN's paper asks beside one request of a tenth: half of everything, one request after
another, other adversarial examples, and other originals.

    python -m benchmarks.amun --seeds 3

On digits, whose originals learn everybody by heart. Every seed has an original, its own people to
forget and models retrained without them, which are the aim of every column. Rate and variant are
chosen on a tuning seed by the average gap. Writes benchmarks/results/amun-digits.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import record, samples
from benchmarks.amun.elsewhere import SOURCES, Known, Taught
from benchmarks.amun.originals import KINDS, PLAIN, made
from benchmarks.methods import grounds
from benchmarks.methods.attacked import attacked, rmia
from benchmarks.methods.tables import spread
from unlearning.contracts import Method
from unlearning.domain import Split
from unlearning.judging.comparing import columns, divergences, gaps
from unlearning.methods.amun import VARIANTS, Amun
from unlearning.methods.finetune import FineTune
from unlearning.methods.random_label import RandomLabel
from unlearning.networks import Classifier
from unlearning.outputs import outputs_of
from unlearning.selecting import draw_people
from unlearning.training.loop import silent

TUNING = 9
"""The seed that the rate is chosen on."""

RATES = (0.003, 0.01, 0.03, 0.1)
REQUESTS, SHARE = 5, 0.02
"""Requests that follow one another, and the share of the training examples of each."""

RETRAINED, AGAIN = "retrained", "retrained, other seed"
Row = dict[str, Any]


class Case:
    """One seed: its original, and where it stands among the others."""

    def __init__(self, seed: int, bank: Path) -> None:
        """Train the original."""
        self.seed, self.bank, self.on = seed, bank, samples.digits()
        self.original = self.fresh(PLAIN, np.zeros(len(self.on.train), bool), seed)

    def fresh(self, kind: str, without: np.ndarray, seed: int) -> Classifier:
        """Train a network of a kind on who is not left out, (n,)."""
        examples = self.on.train.take(~without)
        return made(kind, self.on.recipe, examples, self.on.training, 10_000 + seed)

    def split(self, forgets: np.ndarray, kept: np.ndarray | None = None) -> Split:
        """Lay out who is forgotten and who stays, masks (n,)."""
        train = self.on.train
        parts = train.take(forgets), train.take(~forgets if kept is None else kept)
        return Split(*parts, self.on.holdout, self.on.test, self.on.recipe.classes)

    def drawn(self, share: float, free: np.ndarray) -> np.ndarray:
        """Draw whole people of who is free, about so much of the training examples, (n,)."""
        subjects, rng = self.on.train.subjects, np.random.default_rng([self.seed, int(free.sum())])
        return draw_people(subjects, free, round(share * len(free)), rng)

    def unlearned(self, method: Method, network: nn.Module, split: Split) -> nn.Module:
        """Run a method."""
        rng = torch.Generator().manual_seed(self.seed)
        return method.unlearn(network, split.handed(), rng, silent)

    def measured(
        self, network: nn.Module, split: Split, retrained: nn.Module, *, asked: bool = True
    ) -> dict[str, float]:
        """Give a network's columns; asked: by attacks whose shadows were trained as it was."""
        outputs, aim = outputs_of(network, split), outputs_of(retrained, split)
        nobody = np.zeros(len(outputs.labels), bool)
        own, wanted = columns(outputs, nobody), columns(aim, nobody)
        attacks = attacked(outputs, split, self.bank if asked else None)
        if asked:
            attacks |= rmia(outputs, split, self.bank)
        return {**own, **divergences(outputs, aim), **gaps(own, wanted), **attacks}


def _all(case: Case) -> np.ndarray:
    return np.ones(len(case.on.train), bool)


def _row(part: str, name: str, seed: int, got: dict[str, float], **more: Any) -> Row:
    print(part, name, seed, {k: round(got[k], 3) for k in ("FA", "TA")}, flush=True)
    return {"part": part, "row": name, "seed": seed, **more, "columns": got}


def half(case: Case, amun: Amun) -> Iterator[Row]:
    """Forget half of the people at once."""
    forgets = case.drawn(0.5, _all(case))
    split = case.split(forgets)
    retrained, again = (case.fresh(PLAIN, forgets, 100 + case.seed + 50 * n) for n in (0, 1))
    yield from _plain_rows("half", case, split, retrained, again)
    methods: dict[str, Method] = {
        "amun": replace(amun, variant="amun"),
        "amun, adversarial alone": replace(amun, variant="advonly"),
        "finetune": FineTune(learning_rate=0.1),
        "random_label": RandomLabel(learning_rate=amun.learning_rate),
    }
    for name, method in methods.items():
        found = case.unlearned(method, case.original, split)
        yield _row("half", name, case.seed, case.measured(found, split, retrained))


def _plain_rows(
    part: str, case: Case, split: Split, retrained: nn.Module, again: nn.Module
) -> Iterator[Row]:
    rows = (("original", case.original), (RETRAINED, retrained), (AGAIN, again))
    for name, network in rows:
        yield _row(part, name, case.seed, case.measured(network, split, retrained))


def requests(case: Case, amun: Amun) -> Iterator[Row]:
    """Serve requests one after another: examples found on the original, or on the network then.

    After each, all who were forgotten so far are measured.
    """
    free, so_far = _all(case), np.zeros(len(case.on.train), bool)
    fixed: nn.Module = case.original
    renewed: nn.Module = case.original
    for number in range(1, REQUESTS + 1):
        asked = case.drawn(SHARE, free)
        free, so_far = free & ~asked, so_far | asked
        own = case.split(asked, kept=~so_far)
        first = amun.adversarial(case.original, own)
        fixed = case.unlearned(Taught(**vars(amun), given=first), fixed, own)
        renewed = case.unlearned(amun, renewed, own)
        whole = case.split(so_far)
        retrained = case.fresh(PLAIN, so_far, 200 + 10 * case.seed + number)
        rows: dict[str, nn.Module] = {
            "original": case.original,
            RETRAINED: retrained,
            "amun, found on the original": fixed,
            "amun, found anew": renewed,
        }
        for name, network in rows.items():
            found = case.measured(network, whole, retrained)
            yield _row("requests", name, case.seed, found, request=number)


def sources(case: Case, amun: Amun) -> Iterator[Row]:
    """Teach other adversarial examples than the forget set's own."""
    forgets = case.drawn(0.1, _all(case))
    split = case.split(forgets)
    retrained, again = (case.fresh(PLAIN, forgets, 300 + case.seed + 50 * n) for n in (0, 1))
    yield from _plain_rows("sources", case, split, retrained, again)
    other = case.fresh(PLAIN, ~_all(case), 400 + case.seed)
    known = Known(amun, case.original, other, split, np.random.default_rng(case.seed))
    for name, source in SOURCES.items():
        given = source(known)
        found = case.unlearned(Taught(**vars(amun), given=given), case.original, split)
        columns_ = case.measured(found, split, retrained)
        far = float(given.l2[given.found].mean()) if given.found.any() else 0.0
        yield _row("sources", name, case.seed, columns_, l2=far, found=float(given.found.mean()))


def originals(case: Case, amun: Amun) -> Iterator[Row]:
    """Begin from originals that are trained otherwise, each beside a model retrained likewise."""
    forgets = case.drawn(0.1, _all(case))
    split = case.split(forgets)
    for kind in KINDS:
        original = case.original if kind == PLAIN else case.fresh(kind, ~_all(case), case.seed)
        retrained = case.fresh(kind, forgets, 500 + case.seed)
        given = amun.adversarial(original, split)
        found = case.unlearned(Taught(**vars(amun), given=given), original, split)
        far = {"l2": float(given.l2[given.found].mean()), "found": float(given.found.mean())}
        rows = {"original": original, RETRAINED: retrained, "amun": found}
        for name, network in rows.items():
            measured = case.measured(network, split, retrained, asked=kind == PLAIN)
            yield _row("originals", f"{kind}: {name}", case.seed, measured, **far)


PARTS = (half, requests, sources, originals)


def tuned(bank: Path) -> tuple[Amun, list[Row]]:
    """Choose rate and variant on the tuning seed by the average gap; give all that were tried."""
    case = Case(TUNING, bank)
    forgets = case.drawn(0.1, _all(case))
    split, retrained = case.split(forgets), case.fresh(PLAIN, forgets, 600)
    tried = []
    for variant, rate in itertools.product(VARIANTS, RATES):
        method = Amun(learning_rate=rate, variant=variant, decay_every=5, precision="fp32")
        found = case.measured(case.unlearned(method, case.original, split), split, retrained)
        row = _row("tuning", f"{variant}, rate {rate:g}", TUNING, found)
        tried.append((float(found["average gap"]), method, row))
    best = min(tried, key=lambda one: one[0])
    return best[1], [row for _, _, row in tried]


def table(rows: Sequence[Row]) -> list[Row]:
    """Give each row's columns over the seeds: mean, deviation and n."""
    keys = dict.fromkeys((row["part"], row["row"], row.get("request")) for row in rows)
    return [_line(key, [r for r in rows if _key(r) == key]) for key in keys]


def _key(row: Row) -> tuple[str, str, int | None]:
    return row["part"], row["row"], row.get("request")


def _line(key: tuple[str, str, int | None], rows: Sequence[Row]) -> Row:
    part, name, request = key
    values = [{**r["columns"], **{k: r[k] for k in ("l2", "found") if k in r}} for r in rows]
    means = {column: spread([v[column] for v in values]) for column in values[0]}
    return {"part": part, "row": name, "request": request, "n": len(rows), **means}


def run(args: argparse.Namespace) -> Path:
    """Run the benchmark and give the path of its result."""
    torch.set_num_threads(1)
    on = samples.digits()
    bank = grounds.bank_of(on, args.cache / on.name, 1, record.told)
    amun, tried = tuned(bank)
    cases = [Case(seed, bank) for seed in range(args.seeds)]
    rows = [row for part in PARTS for case in cases for row in part(case, amun)]
    settings = {
        "data": on.name,
        "train": len(on.train),
        "seeds": args.seeds,
        "requests": REQUESTS,
        "share": SHARE,
        "amun": dataclasses.asdict(amun),
        "training": dataclasses.asdict(on.training),
        "recipe": dataclasses.asdict(on.recipe),
        "sources": [*SOURCES],
    }
    return record.write("amun-digits", settings, {"table": table(rows), "tuning": table(tried)})


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="amun", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, choices=range(1, TUNING))
    parser.add_argument("--cache", type=Path, default=grounds.CACHE)
    args = parser.parse_args()
    record.perform("amun", lambda: run(args))
