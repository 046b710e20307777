"""`python -m benchmarks.year`."""

from benchmarks.year.study import main

main()
