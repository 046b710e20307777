"""What is measured about Lethe itself; run with `python -m benchmarks.NAME`."""
