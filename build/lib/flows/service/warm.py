"""What the runner's warm process has loaded, and what it does in a process forked from it.

Nothing here may start a thread or open a file when it is imported: every run is a fork of it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any
from uuid import UUID

from systems.settings.quiet import quiet_environment
from unlearning.processes import end_with

HEAVY = (
    *("flows.service.deployments", "flows.served", "flows.forget", "flows.intake"),
    *("flows.due", "flows.purge", "flows.deadlines", "flows.audit", "flows.bank"),
    *("flows.reconcile", "flows.drill", "tasks.requests.meaning", "systems.data.images"),
    *("ledger.projection", "ledger.inbox"),
    *("mlflow.pyfunc", "torch._dynamo", "torchvision", "timm", "great_expectations"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.db.utils"),
    *("mlflow.store.tracking.sqlalchemy_workspace_store", "alembic.migration"),
    *("mlflow.store.model_registry.sqlalchemy_store", "alembic.command"),
    *("mlflow.store.model_registry.sqlalchemy_workspace_store", "sqlalchemy.dialects.sqlite"),
    *("dvc.repo", "dvc.repo.add", "dvc.repo.push", "dvc.repo.fetch", "dvc.repo.index"),
    *("dvc.cachemgr", "dvc.data_cloud", "dvc.lock", "dvc.rwlock", "dvc.dirs", "dvc.repo.datasets"),
    *("dvc.repo.stage", "dvc.repo.metrics", "dvc.repo.params", "dvc.repo.plots", "dvc.scm"),
    *("dvc.repo.artifacts", "dvc.repo.graph", "dvc.repo.trie", "dvc.repo.worktree"),
    *("dvc_data", "dvc_data.index.push", "dvc_data.index.fetch", "dvc_data.index.collect"),
    *("dvc_data.index.checkout", "dvc_data.hashfile.db.local", "dvc_data.hashfile.db.index"),
    *("dvc_render", "scmrepo.git", "scmrepo.noscm", "networkx", "ruamel.yaml.mergevalue"),
    *("prefect.flow_engine", "prefect.task_engine", "prefect.concurrency.sync"),
    *("prefect.telemetry", "anyio._backends._asyncio", "matplotlib.pyplot"),
    *("matplotlib.backends.backend_agg", "pyarrow.parquet", "pyarrow.pandas_compat", "PIL.Image"),
)
"""What a run imports, here or there: fifteen seconds of it, once."""

REHEARSED = ("systems.expectations.suites", "systems.report.plots", "systems.registry.store")
"""What does more than import at its first call: compiles templates, measures fonts, lists packages.
Each has a `rehearse`, which leaves nothing behind."""


def load() -> None:
    """Import all of it, and do once what only the first call is slow at."""
    quiet_environment()
    for name in HEAVY:
        import_module(name)
    for name in REHEARSED:
        import_module(name).rehearse()


def end_with_runner() -> None:
    """End this process when the runner ends, also by kill -9.

    The warm process, which it was forked from, would not tell: it stays as long as a fork of it
    lives. The end of that one is seen by the kernel.
    """
    end_with(os.getppid())
    runner = multiprocessing.parent_process()

    def watch() -> None:
        if runner is not None:
            wait([runner.sentinel])
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="runner", daemon=True).start()


def register(root: str, answer: Connection) -> None:
    """Register the deployments of a workspace; send their ids, or what went wrong."""
    from flows.service.deployments import register as register_all
    from systems.settings.service import load_service
    from systems.settings.workspace import Workspace

    end_with_runner()
    ws = Workspace.at(root)
    try:
        answer.send(register_all(ws, load_service(ws.root)))
    except Exception as problem:  # noqa: BLE001  # told to the runner, which says so
        from flows.problems import explain

        answer.send(explain(problem)[1])


def run(flow: str, flow_run: str) -> None:
    """Be one flow run, as Prefect has it, to its end; its state says how that was."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    end_with_runner()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    module, _, function = flow.partition(":")
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(UUID(flow_run))
    work: Any = getattr(import_module(module), function)
    run_flow(work, flow_run=found, parameters=found.parameters, return_type="state")
