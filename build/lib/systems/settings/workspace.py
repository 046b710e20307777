"""The workspace's layout: every place in it by name. Only light imports."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger import durable
from ledger.lines import ELSEWHERE, LOG, TABLES, has_begun
from unlearning.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"

PLACES = (
    *("params", "policy", "dvc", "cache", "data_file", "data", "shards", "remote", "keys", "inbox"),
    *("records", "log", "evidence", "artifacts", "bank", "candidates", "mlruns", "database"),
    *("service", "bases"),
)
"""What must lie in the workspace itself: what is removed or written, it and nothing else."""

FOLDERS = (
    *("data", "remote", "keys", "inbox", "records", "evidence", "artifacts", "mlruns", ".dvc"),
)
DEPTH = 3
"""How deep below these a link is looked for: as far as their own layout goes."""


@dataclass(frozen=True)
class Workspace:
    """A folder with the layout of a Lethe workspace; every place in it has one name here."""

    root: Path

    @staticmethod
    def at(path: Path | str) -> Workspace:
        """Take a folder, which need not exist yet, as a workspace."""
        return Workspace(Path(path).expanduser().resolve())

    def require_whole(self) -> None:
        """Refuse a workspace with a place that is a link out of it: a copy of it would share that.

        What a copy does to such a place, it does to the original. So it is with a file that is
        written in place and has another name on the disk, as after `cp -al`.
        """
        places = (getattr(self, name) for name in PLACES)
        inner = (path for name in FOLDERS for path in _links(self.root / name, DEPTH))
        for place in (*places, *inner):
            if place.exists() and not place.resolve().is_relative_to(self.root):
                raise UsageError(
                    f"{place.relative_to(self.root)}: is a link out of the workspace, expected the "
                    "file or folder itself, so that a copy shares nothing with its original: put "
                    "it here, or mount it here"
                )
        for path in (self.log, self.tables, self.database, self.received):
            if path.exists() and path.stat().st_nlink > 1:
                raise UsageError(
                    f"{path.relative_to(self.root)}: has another hard link, as after `cp -al`, "
                    "expected none, since what is written here would be written there: copy with "
                    "`cp -r`, and here put a copy of the file in its place"
                )

    @property
    def params(self) -> Path:
        """Every tunable number."""
        return self.root / "params.yaml"

    @property
    def policy(self) -> Path:
        """The ladder and the limits."""
        return self.root / "policy.yaml"

    @property
    def stages(self) -> Path:
        """DVC's description of the stages."""
        return self.root / "dvc.yaml"

    @property
    def gitignore(self) -> Path:
        """What git must not take."""
        return self.root / ".gitignore"

    @property
    def dvc(self) -> Path:
        """DVC's own folder: configuration, cache, temporary files."""
        return self.root / ".dvc"

    @property
    def cache(self) -> Path:
        """DVC's objects."""
        return self.dvc / "cache"

    @property
    def dvcignore(self) -> Path:
        """Where DVC need not look for stages and data."""
        return self.root / ".dvcignore"

    @property
    def data_file(self) -> Path:
        """DVC's pointer to the data version."""
        return self.root / "data.dvc"

    @property
    def data(self) -> Path:
        """The folder that DVC tracks."""
        return self.root / "data"

    @property
    def dataset(self) -> Path:
        """What the data set is, without any id."""
        return self.data / "dataset.json"

    @property
    def shards(self) -> Path:
        """The image tables, by keyed hash of the subject."""
        return self.data / "shards"

    @property
    def remote(self) -> Path:
        """The DVC remote, unless the settings name another."""
        return self.root / "remote"

    @property
    def keys(self) -> Path:
        """Keys, mode 0700."""
        return self.root / "keys"

    @property
    def inbox(self) -> Path:
        """What was received and not settled yet."""
        return self.root / "inbox"

    @property
    def received(self) -> Path:
        """The inbox's database, if it is a file."""
        return self.inbox / "inbox.db"

    @property
    def records(self) -> Path:
        """The ledger's files."""
        return self.root / "records"

    @property
    def lock(self) -> Path:
        """Who holds it is the only one that changes the workspace; receiving needs none."""
        return self.records / "lock"

    @property
    def beginning(self) -> Path:
        """What an unfinished `init` found; absent when the workspace is whole."""
        return self.records / "initialising.json"

    @property
    def public_key(self) -> Path:
        """What a bundle and the log are verified with."""
        return self.records / "public.pem"

    @property
    def log(self) -> Path:
        """The append-only log, if it lies in a file."""
        return self.records / LOG

    @property
    def tables(self) -> Path:
        """The tables that follow from the log, if it lies in a file."""
        return self.records / TABLES

    @property
    def elsewhere(self) -> Path:
        """The note that the log lies in a database."""
        return self.records / ELSEWHERE

    @property
    def has_log(self) -> bool:
        """Whether there is a log, in the file or in a database: no workspace is without one."""
        return has_begun(self.records)

    @property
    def policies(self) -> Path:
        """Every policy that was ever adopted, each under its SHA-256."""
        return self.records / "policies"

    @property
    def adopted_params(self) -> Path:
        """Every params.yaml that was ever adopted, each under its SHA-256."""
        return self.records / "params"

    @property
    def evidence(self) -> Path:
        """Sealed bundles, one folder per run."""
        return self.root / "evidence"

    @property
    def artifacts(self) -> Path:
        """Derived data: never in the data version, never in DVC's cache."""
        return self.root / "artifacts"

    @property
    def manifest(self) -> Path:
        """SHA-256 of every shard of the data version; no ids."""
        return self.artifacts / "manifest.json"

    @property
    def backbone(self) -> Path:
        """What is frozen of a network whose head alone is fitted; it never saw the data."""
        return self.artifacts / "backbone.safetensors"

    @property
    def stage_runner(self) -> Path:
        """Runs DVC's stages with the Python that made the workspace."""
        return self.artifacts / "stage.sh"

    @property
    def erasing(self) -> Path:
        """Rewritten shards on their way into data/; absent when nothing is under way."""
        return self.artifacts / "erasing"

    @property
    def decoded(self) -> Path:
        """Decoded pictures, where they are too many for memory; absent otherwise."""
        return self.artifacts / "decoded"

    @property
    def bank(self) -> Path:
        """The shadow bank's outputs."""
        return self.artifacts / "bank"

    @property
    def bases(self) -> Path:
        """Weights of the bases, named by their SHA-256."""
        return self.artifacts / "bases"

    @property
    def candidates(self) -> Path:
        """Weights that are not released."""
        return self.artifacts / "candidates"

    @property
    def docs(self) -> Path:
        """Great Expectations' pages."""
        return self.artifacts / "docs"

    @property
    def mlruns(self) -> Path:
        """MLflow's folder."""
        return self.root / "mlruns"

    @property
    def database(self) -> Path:
        """MLflow's runs and versions."""
        return self.mlruns / "mlflow.db"

    @property
    def service(self) -> Path:
        """What `lethe serve` keeps for itself; it can be removed when nothing is served."""
        return self.root / "service"


def _links(folder: Path, depth: int) -> Iterator[Path]:
    """Give the symbolic links in a folder, down to so many levels."""
    if not depth or not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                yield from _links(Path(entry.path), depth - 1)


@contextmanager
def private() -> Iterator[None]:
    """Let what is written meanwhile, by libraries and child processes too, be the owner's alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def private_places(ws: Workspace) -> tuple[Path, ...]:
    """The folders that hold keys, personal data, or what learned from it or tells of it."""
    stores = (ws.data, ws.remote, ws.dvc, ws.mlruns, ws.artifacts)
    inbox = (ws.inbox,) if ws.received.exists() else ()  # else such a folder is not ours
    own = (ws.keys, ws.records, ws.records / "sealed", ws.evidence, ws.service)
    return (*stores, *own, *inbox)


def make_private(ws: Workspace) -> None:
    """Close these folders to everybody else, also in a workspace that was made before."""
    for folder in private_places(ws):
        if folder.is_dir() and folder.stat().st_mode & 0o077:
            folder.chmod(0o700)


def write_templates(ws: Workspace) -> None:
    """Put .gitignore and the settings files that are absent into a folder; others stay."""
    ws.root.mkdir(parents=True, exist_ok=True)
    names = sorted(template.name for template in TEMPLATES.glob("*.yaml"))
    for source, target in (("gitignore", ws.gitignore), *((n, ws.root / n) for n in names)):
        if not target.exists():
            durable.write(target, (TEMPLATES / source).read_bytes(), mode=durable.OPEN)
