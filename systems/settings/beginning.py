"""How a folder becomes a workspace: what may lie there before, and what goes when it is cut off.

Until a workspace is whole, records/initialising.json says what the folder held before. So nothing
is ever removed that was not made here, and an `init` that failed or was killed can be undone.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from types import MappingProxyType

import yaml

from ledger import durable
from systems.settings import recording
from systems.settings.workspace import TEMPLATES, Workspace
from unlearning.errors import InfrastructureError, IntegrityError, UsageError

ANYTHING = ("*",)
# Keys and a suppression list that were restored from a backup are taken along.
_WELCOME: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "data": (),
        ".importing": (),
        "keys": (
            *("shards.key", "signing.pem", "suppression.key", "inbox.key", "requests", "head.json"),
            *("verified.json", "backups"),
            ".*.part",
        ),
        "inbox": (),
        "remote": (),
        "records": ("lock", "public.pem", "suppression.jsonl", ".*.part"),
        "evidence": (),
        "artifacts": (),
        "mlruns": ("README.md",),
        ".dvc": ANYTHING,
    }
)
"""The folders of a workspace, and what they may hold before: anything else is not Lethe's."""

_FILES = (
    *("params.yaml", "policy.yaml", "dvc.yaml", "data.dvc", "dvc.lock", ".gitignore"),
    *(".dvcignore", ".dvc/config", ".dvc/.gitignore"),
)
TOP = "."
"""The workspace's own folder, of which only unfinished files are noted."""

_ELSEWHERE = "choose another folder with --workspace"


@dataclass(frozen=True)
class Beginning:
    """An `init` that is not finished.

    asked: digest of what it was asked for. there: what each folder held before, by name.
    before: the text of the files that were there. made_above: how many folders were made to hold
    all this, the workspace's own included.
    """

    asked: str
    there: Mapping[str, list[str]]
    before: Mapping[str, str]
    made_above: int


def begin(ws: Workspace, asked: str, there: Beginning) -> None:
    """Note what the folder held, before anything is put into it; the caller holds the lock."""
    text = json.dumps({**asdict(there), "asked": asked})
    durable.write(ws.beginning, text.encode())


def survey(ws: Workspace) -> Beginning:
    """Look at what the folder holds; nothing is written."""
    return Beginning(
        asked="",
        there={
            name: sorted(path.name for path in (ws.root / name).iterdir())
            for name in _WELCOME
            if (ws.root / name).is_dir()
        }
        | {TOP: sorted(path.name for path in _unfinished(ws))},
        before={
            name: (ws.root / name).read_bytes().decode(errors="surrogateescape")
            for name in _FILES
            if (ws.root / name).is_file()
        },
        made_above=sum(not folder.exists() for folder in (ws.root, *ws.root.parents)),
    )


def _unfinished(ws: Workspace) -> list[Path]:
    return list(ws.root.glob(f".*{durable.UNFINISHED}"))


def begun(ws: Workspace) -> Beginning | None:
    """Give the `init` that is not finished, if there is one."""
    if not ws.beginning.is_file():
        return None
    try:
        return Beginning(**json.loads(durable.read(ws.beginning)))
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f"{durable.short_name(ws.beginning)}: tells nothing of an `init`, expected what one "
            "wrote; restore it, or remove by hand what `lethe init` made here"
        ) from error


def finish(ws: Workspace) -> None:
    """The workspace is whole: from here on nothing of it is undone."""
    if past := begun(ws):
        for path in _unfinished(ws):  # writes at the top that were cut off
            if path.name not in past.there.get(TOP, []):
                durable.remove_file(path, within=ws.root)
    durable.remove_file(ws.beginning, within=ws.root)


def undo(ws: Workspace, past: Beginning) -> None:
    """Bring the folder back to what it held; repeated after a crash, it goes on.

    What was put into DVC's cache or remote is the caller's to remove, before.
    """
    recording.discard(ws)  # first: without its keys nobody could open it
    for name in _WELCOME:
        if name != ws.records.name:
            _restore_folder(ws, name, past.there.get(name))
    for name in _FILES:
        _restore_file(ws, name, past.before.get(name))
    kept = past.there.get(ws.records.name, [])
    _empty(ws, ws.records, [*kept, ws.beginning.name, "lock"])
    finish(ws)
    _restore_folder(ws, ws.records.name, past.there.get(ws.records.name))
    for folder in (ws.root, *ws.root.parents)[: past.made_above]:
        durable.remove_empty_folder(folder)


def _restore_folder(ws: Workspace, name: str, held: list[str] | None) -> None:
    if held is None:
        durable.remove_folder(ws.root / name, within=ws.root)
    else:
        _empty(ws, ws.root / name, held)


def _empty(ws: Workspace, folder: Path, but: list[str]) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in but:
            whole = path.is_dir() and not path.is_symlink()
            remove = durable.remove_folder if whole else durable.remove_file
            remove(path, within=ws.root)


def _restore_file(ws: Workspace, name: str, text: str | None) -> None:
    path = ws.root / name
    if text is None:
        durable.remove_file(path, within=ws.root)
    else:
        content = text.encode(errors="surrogateescape")
        if not path.is_file() or path.read_bytes() != content:
            durable.write(path, content, mode=durable.OPEN)


def refuse_occupied(ws: Workspace) -> None:
    """UsageError if the folder holds something, in a place of Lethe's, that Lethe did not make."""
    if ws.has_log:
        raise UsageError(
            f"{ws.root.name}: is a workspace already, expected an empty folder; {_ELSEWHERE}"
        )
    for problem in _occupied(ws):
        raise UsageError(
            f"{problem}: `lethe init` removes and changes nothing that it did not make; "
            f"{_ELSEWHERE}"
        )


def _occupied(ws: Workspace) -> Iterator[str]:
    if ws.root.exists() and not ws.root.is_dir():
        yield f"{ws.root.name}: is a file, expected a folder"
    for name, welcome in _WELCOME.items():
        place = ws.root / name
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            yield f"{name}: is a file or a link, expected a folder of Lethe's or nothing"
        elif place.is_dir() and not _all_match(place, welcome):
            yield f"{name}/: holds what is not Lethe's, expected it empty or absent"
    for name in _FILES:
        if (place := ws.root / name).is_symlink() or place.is_dir():
            yield f"{name}: is a folder or a link, expected a file of Lethe's or nothing"
    if ws.stages.is_file() and not _our_stages(ws):
        yield "dvc.yaml: has not Lethe's stages, expected those or no file"


def _all_match(folder: Path, welcome: tuple[str, ...]) -> bool:
    return all(any(fnmatch(path.name, name) for name in welcome) for path in folder.iterdir())


def _our_stages(ws: Workspace) -> bool:
    try:
        found = yaml.safe_load(ws.stages.read_bytes())["stages"]
        return set(stage_names()) <= set(found)
    except (yaml.YAMLError, TypeError, KeyError, UnicodeDecodeError):
        return False


def stage_names() -> tuple[str, ...]:
    """The stages that a workspace's dvc.yaml has."""
    return tuple(yaml.safe_load((TEMPLATES / "dvc.yaml").read_bytes())["stages"])


def refuse_exposed(ws: Workspace) -> None:
    """UsageError if a .gitignore that is there would let git take what must stay out of it."""
    from pathspec import GitIgnoreSpec

    if not ws.gitignore.is_file():
        return  # one is written, before anything else
    with ws.gitignore.open(errors="replace", newline="\n") as lines:  # git breaks at no others
        ignored = GitIgnoreSpec.from_lines(lines)
    private = [name for name in _WELCOME if name != ws.dvc.name]
    if left := [f"/{name}/" for name in private if not ignored.match_file(f"{name}/x")]:
        raise UsageError(
            f".gitignore: leaves {', '.join(left)} to git, expected it to keep them out: add a "
            f"line for each, or {_ELSEWHERE}"
        )


def refuse_tracked(path: Path) -> None:
    """UsageError if git tracks a file that options would change."""
    if not any((folder / ".git").exists() for folder in path.parents):
        return
    try:
        asked = ["git", "-C", str(path.parent), "ls-files", "--error-unmatch", path.name]
        tracked = subprocess.run(asked, capture_output=True, check=False).returncode == 0
    except OSError as error:
        raise InfrastructureError(
            f"git: cannot be run ({error.strerror}), expected it since {path.name} lies in a git "
            "repository: install it"
        ) from error
    if tracked:
        raise UsageError(
            f"{path.name}: is tracked by git and the options would change it, expected no option "
            f"that differs from it: change the file yourself, or {_ELSEWHERE}"
        )
