"""DVC: the data version, the remote, and every place where its objects lie.

DVC runs inside the workspace alone: its settings, cache, state and temporary files are under
.dvc/, nothing is sent to its makers. It is never told of git, in whose index and ignore files it
would write; in a DVC project that was there before it uses a remote of its own name.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ledger import durable
from systems.data.remote.opening import REMOTE, dvc_errors, opened
from systems.data.remote.opening import patiently as patiently
from systems.data.remote.owner import outside, require_own
from systems.data.stores import ObjectStore, store_of
from systems.settings.workspace import TEMPLATES, Workspace
from unlearning.errors import InfrastructureError, UsageError

OF_NOTHING = hashlib.md5(b"", usedforsecurity=False).hexdigest()
DIRECTORY = ".dir"

_PROJECT = f"""[core]
    no_scm = True
    analytics = False
    check_update = False
    remote = {REMOTE}
"""
_IGNORED = "/config.local\n/tmp\n/cache\n"  # as DVC writes it


def create(ws: Workspace, url: str | None) -> None:
    """Make the workspace a DVC project with this remote, or with remote/ inside it.

    A DVC project that is there gets the remote `lethe` added and nothing else changed. UsageError
    if it has another one of that name.
    """
    config, remote = ws.dvc / "config", _remote(ws, url)
    durable.make_folder(ws.dvc)
    if not config.exists():
        durable.write(ws.dvc / ".gitignore", _IGNORED.encode())
        if not ws.dvcignore.exists():
            durable.write(ws.dvcignore, (TEMPLATES / "dvcignore").read_bytes(), mode=durable.OPEN)
        durable.write(config, (_PROJECT + remote).encode())
    elif (found := _remote_there(ws)) is None:
        durable.write(config, config.read_bytes().rstrip() + f"\n{remote}".encode())
    elif found != _url(ws, url):
        raise UsageError(
            f".dvc/config: its remote '{REMOTE}' leads elsewhere than remote.url of params.yaml, "
            "expected the same, or no remote of that name: rename it, or change params.yaml"
        )
    if url is None:
        ws.remote.mkdir(exist_ok=True)


def commit_stages(ws: Workspace, names: Sequence[str]) -> None:
    """Note in dvc.lock that what lies there is what these stages of dvc.yaml make.

    Not by `dvc commit`, which would copy into the cache what has one place only.
    """

    def work(repo: Any) -> None:
        for name in names:
            with repo.lock:
                (stage,) = repo.stage.collect(f"{ws.stages}:{name}")
                stage.save(run_cache=False)
                stage.dump(update_pipeline=False)

    _with_repo(ws, "dvc commit", work)


def data_version(ws: Workspace) -> str:
    """The digest of data/ as DVC holds it; UsageError where no data was imported."""
    try:
        digest = yaml.safe_load(ws.data_file.read_bytes())["outs"][0]["md5"]
    except FileNotFoundError as error:
        raise UsageError("data.dvc: is not there: run `lethe init` in this workspace") from error
    except (yaml.YAMLError, TypeError, KeyError, IndexError) as error:
        raise UsageError(
            "data.dvc: has no digest of data/, expected what DVC wrote: restore it from your backup"
        ) from error
    return str(digest).removesuffix(DIRECTORY)


def add(ws: Workspace) -> str:
    """Take data/ as it is into DVC and return the data version.

    `data.dvc` names the remote, so that an owner's `dvc push` copies data/ to no default of his.
    """

    def work(repo: Any) -> None:
        (stage,) = repo.add(str(ws.data))
        (out,) = stage.outs
        if out.remote != REMOTE:
            with repo.lock:
                out.remote = REMOTE
                stage.dump()

    _with_repo(ws, "dvc add", work)
    return data_version(ws)


def keys_seen(ws: Workspace, paths: Sequence[Path]) -> dict[Path, str | None]:
    """Give DVC's keys of files in data/, None of one that changed since DVC last read it."""
    from dvc.fs import localfs

    found: dict[Path, str | None] = {}

    def look(repo: Any) -> None:
        for path in paths:
            _, key = repo.state.get(str(path), localfs)
            found[path] = key and str(key.value)

    _with_repo(ws, "dvc status", look)
    return found


def push(ws: Workspace) -> None:
    """Copy the data version's objects to the remote, those that it lacks.

    OutsideWorkspace if the remote is another workspace's.
    """
    require_own(ws)

    def work(repo: Any) -> None:
        _drop_empty(repo, ws)
        repo.push(targets=[str(ws.data_file)], remote=REMOTE)

    _with_repo(ws, "dvc push", work)


def _drop_empty(repo: Any, ws: Workspace) -> None:
    """Remove the empty files that a push which was killed has left in a folder, under its keys.

    DVC makes an object's file, then asks the file system to share the bytes. To it, what is there
    was pushed; no object of ours is empty, and somebody's empty file has its own key.
    """
    if repo.cloud.get_remote_odb(REMOTE).fs.protocol != "local":
        return
    store = _remote_store(repo, ws)
    for key in sorted(store.keys()):
        file = store.file(key)
        if file is not None and file.stat().st_size == 0 and key != OF_NOTHING:
            store.remove(key)


def remote_inside(ws: Workspace) -> bool:
    """Whether the remote lies in the workspace, and so follows it."""
    url = _remote_there(ws)
    return url is not None and "://" not in url and not outside(ws, str(ws.dvc / url))


def begin_inside(ws: Workspace) -> str:
    """Let a copy be a DVC project of its own, whose remote lies in it; give its data version."""
    durable.write(ws.dvc / "config", (_PROJECT + _remote(ws, None)).encode())
    ws.remote.mkdir(exist_ok=True)
    return commit(ws)


def commit(ws: Workspace) -> str:
    """Take data/ into DVC, push it, and return the data version."""
    version = add(ws)
    push(ws)
    return version


def fetch(ws: Workspace, paths: Sequence[Path]) -> None:
    """Bring missing files of data/ back from cache or remote; others are not touched."""
    names = ", ".join(str(path.relative_to(ws.root)) for path in paths)
    targets = [str(path) for path in paths]
    try:
        _with_repo(ws, "dvc pull", lambda repo: repo.pull(targets=targets, remote=REMOTE))
    except InfrastructureError as error:
        raise InfrastructureError(
            f"{names}: missing here and not to be had from the remote ({error}): "
            "restore the remote, then try again"
        ) from error


@contextmanager
def stores(ws: Workspace) -> Iterator[tuple[ObjectStore, ObjectStore]]:
    """Give DVC's cache and remote as plain object stores, while no other DVC command runs."""
    with opened(ws, "dvc objects") as repo, repo.lock:
        yield (
            store_of(repo.cache.local, "dvc cache", ws.root),
            _remote_store(repo, ws),
        )


def missing_in_remote(ws: Workspace) -> str | None:
    """Give the key of the data version's listing if the remote lacks it; None where it is there.

    InfrastructureError for a remote that does not answer.
    """
    listing = f"{data_version(ws)}{DIRECTORY}"
    with opened(ws, "dvc remote") as repo:
        return None if repo.cloud.get_remote_odb(REMOTE).exists(listing) else listing


def _remote_store(repo: Any, ws: Workspace) -> ObjectStore:
    """Give the remote: in the workspace, or the place outside of it that DVC's settings name."""
    named = str(repo.config["remote"][REMOTE]["url"])
    within = Path(named) if outside(ws, named) else ws.root
    return store_of(repo.cloud.get_remote_odb(REMOTE), "dvc remote", within)


def _with_repo(ws: Workspace, what: str, work: Callable[[Any], object]) -> None:
    def once() -> None:
        with opened(ws, what) as repo:
            work(repo)

    patiently(once)


def _remote(ws: Workspace, url: str | None) -> str:
    quote = '"' if "'" in _url(ws, url) else "'"
    settings = f"    url = {quote}{_url(ws, url)}{quote}\n    verify = True\n"
    return f"['remote \"{REMOTE}\"']\n{settings}"


def _remote_there(ws: Workspace) -> str | None:
    with dvc_errors("dvc config"):
        from dvc.config import Config

        found = Config.load_file(str(ws.dvc / "config"))["remote"].get(REMOTE)
    return None if found is None else str(found["url"])


def _url(ws: Workspace, url: str | None) -> str:
    """A path inside the workspace is written relative to it, so that the folder can be moved."""
    url = url or ws.remote.name
    if "://" in url or Path(url).is_absolute():
        return url
    return Path(os.path.relpath(ws.root / url, ws.dvc)).as_posix()
