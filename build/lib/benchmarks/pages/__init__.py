"""The tables of README and docs, written from benchmarks/results: `python -m benchmarks.pages`."""
