"""What `lethe init` is asked for, and all that is checked before it writes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from flows.cli.work import decidable
from flows.cli.work.asked import drawing, freezing, ladders
from flows.cli.work.asked.files import Files as Files
from flows.cli.work.asked.freezing import Frozen
from flows.cli.work.asked.suited import largest, left, suited, told
from ledger import durable
from systems.data import importing
from systems.data.columns import SPLIT
from systems.data.gathering import Gathered, gather
from systems.data.sharding import Dataset
from systems.data.sources import Columns, Source
from systems.settings import beginning, recording
from systems.settings.beginning import Beginning
from systems.settings.params import Params, changed, check_params, parse_params
from systems.settings.policy import parse_policy
from systems.settings.workspace import TEMPLATES, Workspace
from tasks import adopt as adopting
from unlearning.digests import digest_of
from unlearning.domain import TRAIN
from unlearning.errors import UsageError


@dataclass(frozen=True)
class Asked:
    """What `init` was asked for. changes: of params.yaml; mean, std: of the weights, by channel."""

    files: Files
    columns: Columns
    changes: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Tells another request from the same one, repeated."""
        return digest_of(_plain(asdict(self)))


@dataclass(frozen=True)
class Checked:
    """What was checked before anything is written.

    settings, policy: the bytes of params.yaml and policy.yaml to be. notes: what whoever offers the
    data may not expect. frozen: the backbone, where one is.
    """

    past: Beginning
    settings: bytes
    params: Params
    policy: bytes
    offered: Gathered
    notes: tuple[str, ...]
    frozen: Frozen | None = None


def checked_before(ws: Workspace, asked: Asked) -> Checked:
    """Refuse what could not be carried out; nothing is written."""
    files = asked.files
    _refuse_weights_without_holdout(files)
    drawing.refuse_brought(files, asked.changes)
    freezing.check_asked(files)
    norm = _normalisation(files)
    beginning.refuse_occupied(ws)
    beginning.refuse_exposed(ws)
    recording.require_free(ws)
    there = ws.params if ws.params.exists() else TEMPLATES / ws.params.name
    content = durable.read(there)
    parse_params(content)
    settings = changed(content, asked.changes)
    if there != ws.params:
        settings = drawing.suited(settings, asked.changes)
    params = parse_params(settings)
    if there == ws.params and settings != content:
        beginning.refuse_tracked(ws.params)
    check_params(params)
    if ws.policy.exists():
        adopting.check_policy(ws.policy)  # before the data are read
    source = Source(
        data=files.data,
        columns=asked.columns,
        test=files.test,
        holdout=files.holdout,
        limit=files.limit,
        as_written=files.as_written,
    )
    ours = there != ws.params and not (files.weights or files.backbone)
    offered = _gathered(source, params, asked.changes if ours else None)
    suiting = _suiting(offered, asked) if ours else {}
    settings = changed(settings, suiting)
    params = parse_params(settings)
    importing.require_splits(offered, offered.table)
    frozen_backbone = files.backbone is not None
    policy = ladders.decided(ws, params.training.epochs, frozen=frozen_backbone, task=params.task)
    rules = parse_policy(policy, ws.policy.name)
    adopting.check_rules(rules, ws.policy.name)
    decidable.refuse_undecidable(rules, params, offered)
    frozen = _require_fit(offered.dataset, params.network, files, norm)
    drawing.require_fit(offered.dataset, params)
    if frozen is not None:
        settings = freezing.settings_with(settings, frozen, files.head)
    elif params.head is not None:
        raise UsageError("params.yaml: head: got without --backbone, expected its file")
    classes = decidable.about_classes(rules, offered, given=files.holdout is not None)
    own = _left_as_it_is(offered, asked, params.network) if there == ws.params else ()
    notes = (*offered.notes, *told(suiting), *own, *classes)
    params = parse_params(settings)
    return Checked(beginning.survey(ws), settings, params, policy, offered, notes, frozen)


def _gathered(source: Source, params: Params, chosen: Mapping[str, Any] | None) -> Gathered:
    """Read the data; where settings are to suit them, so is the size of their pictures.

    chosen: settings that an option gives; None where none are to suit anything.
    """
    if chosen is None or "network" in chosen:
        return gather(source, params)
    return gather(source, params, partial(largest, shadows=params.bank.shadows, chosen=chosen))


def _suiting(offered: Gathered, asked: Asked) -> dict[str, Any]:
    """Give settings that suit the pictures, where no option says what to take."""
    of = offered.dataset
    trained = offered.table[SPLIT].to_pylist().count(TRAIN)
    return suited(of.size, of.channels, trained, asked.changes)


def _left_as_it_is(offered: Gathered, asked: Asked, network: str) -> tuple[str, ...]:
    """Say what would suit the pictures, where somebody's own settings leave the usual network."""
    usual = parse_params(durable.read(TEMPLATES / "params.yaml")).network
    brought = asked.files.weights or asked.files.backbone
    return () if brought or network != usual else left(_suiting(offered, asked))


def _refuse_weights_without_holdout(files: Files) -> None:
    """Weights from elsewhere count as having seen all the data that is not held out by a file."""
    if files.weights and not files.holdout:
        raise UsageError(
            "--weights: got no --holdout file, expected examples that these weights never saw; "
            "without them no successor could be judged"
        )


def _normalisation(files: Files) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that weights from elsewhere were trained with, empty if not given."""
    given = [name for name in ("mean", "std") if getattr(files, name) is not None]
    if given and (len(given) == 1 or files.weights is files.backbone is None):
        got = " and ".join(f"--{name}" for name in given)
        raise UsageError(
            f"{got}: got without {'--weights' if len(given) == 2 else 'the other'}, expected "
            "--weights or --backbone with both, --mean and --std, or with neither"
        )
    return numbers(files.mean, "--mean"), numbers(files.std, "--std")


def _require_fit(
    dataset: Dataset, network: str, files: Files, norm: tuple[tuple[float, ...], ...]
) -> Frozen | None:
    """Refuse a network or weights that cannot work on the data; give the backbone, if one is."""
    from systems.compute.producing import brought
    from unlearning import networks

    blank = ((0.5,) * dataset.channels, (0.5,) * dataset.channels)
    mean, std = norm if norm[0] else blank
    recipe = networks.Recipe(
        network=network,
        classes=len(dataset.classes),
        channels=dataset.channels,
        size=dataset.size,
        mean=mean,
        std=std,
    )
    if files.weights is not None:
        brought(files.weights, recipe, given=bool(norm[0]))
    elif files.backbone is None:
        networks.require_fit(recipe)
    return freezing.frozen_in(files, recipe, given=bool(norm[0]))


def numbers(text: str | None, option: str) -> tuple[float, ...]:
    """Read numbers with commas between; none where nothing was given."""
    try:
        return tuple(float(part) for part in text.split(",")) if text is not None else ()
    except ValueError as problem:
        raise UsageError(f"{option}: got {text!r}, expected numbers such as .5,.5,.5") from problem


def _plain(value: Any) -> Any:
    """Turn what was asked into what JSON has; a path is as good as its text."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return value if value is None or isinstance(value, str | int) else str(value)
