"""How a module of ours is run as a process of its own, with lethe.py loaded first."""

from __future__ import annotations

from pathlib import Path

LAUNCHER = Path(__file__).parents[1] / "lethe.py"
STUDY = """
import runpy, sys
runpy.run_path(sys.argv[1])
sys.argv = sys.argv[2:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""What such a process runs: `python -m` would take a folder of that name of the user's."""
