"""Unlearning one network by several processes of this machine; the coordinator has data and ledger.

The others are handed pictures and labels without ids and subjects, and weights by path; what they
made comes back as a file. If one of them ends, all do.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from systems.compute.attempting import in_kernels_of
from unlearning import networks
from unlearning.bank.shadow_training import without_names
from unlearning.contracts import Method
from unlearning.domain import Handed
from unlearning.errors import InfrastructureError
from unlearning.memory import Room, room
from unlearning.processes import end_with
from unlearning.training.loop import Progress


@dataclass(frozen=True, eq=False)
class Work:
    """What each process is told. parts: into how many its share of a batch is cut."""

    original: Path
    handed: Handed
    method: Method
    seed: int
    parts: int


def without_names_of(handed: Handed) -> Handed:
    """Leave out ids and subjects: no method reads them, and they need not travel."""
    return replace(handed, forget=without_names(handed.forget), retain=without_names(handed.retain))


def together(work: Work, target: Path, processes: int, progress: Progress) -> Path:
    """Unlearn by so many processes and give the file of weights, `target`.

    What one of them raises is raised here, and the others are ended.
    """
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="lethe-team-") as folder:
        meeting, ends, members = Path(folder) / "meeting", [], []
        try:
            for rank in range(processes):
                here, there = context.Pipe(duplex=False)
                told = (os.getpid(), rank, processes, meeting, work, target, there)
                members.append(context.Process(target=_member, args=told, daemon=True))
                members[-1].start()
                there.close()
                ends.append(here)
            _listen(ends, progress)
        finally:
            _end(members)
    return target


def _listen(ends: Sequence[Connection], progress: Progress) -> None:
    """Pass progress on until every process has said that it is done."""
    waiting = list(ends)
    while waiting:
        for end in wait(waiting):
            if not isinstance(end, Connection):
                continue
            try:
                said = end.recv()
            except EOFError:
                raise InfrastructureError(
                    "compute.processes: one of them ended without a word, expected weights of it; "
                    "free memory, or take fewer, and run it again"
                ) from None
            if isinstance(said, Exception):
                raise said
            if said is None:
                waiting.remove(end)
            else:
                progress(*said)


def _end(members: Sequence[BaseProcess]) -> None:
    for member in members:
        member.join(0 if member.exitcode is None else None)
        if member.is_alive():
            member.terminate()
            member.join()


def _member(
    parent: int, rank: int, processes: int, meeting: Path, work: Work, target: Path, end: Connection
) -> None:
    """Do one process' part, and send what came of it."""
    end_with(parent)  # else it would wait for ever for one that was killed
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // processes))
    gpus = torch.cuda.device_count()
    if gpus:
        torch.cuda.set_device(rank % gpus)
    backend = "nccl" if gpus >= processes else "gloo"
    dist.init_process_group(backend, init_method=meeting.as_uri(), rank=rank, world_size=processes)
    try:
        made = _unlearned(work, end if rank == 0 else None)
        if rank == 0:
            networks.save(made, target)
        end.send(None)
    except Exception as problem:  # noqa: BLE001  # whatever it is, the coordinator raises it
        end.send(problem)
    finally:
        dist.destroy_process_group()


def _unlearned(work: Work, end: Connection | None) -> Any:
    def tell(*said: Any) -> None:
        if end is not None:
            end.send(said)

    rng = torch.Generator().manual_seed(work.seed)
    with in_kernels_of(work.method), room(Room(work.parts, alone=False)):
        return work.method.unlearn(networks.load(work.original), work.handed, rng, tell)
