"""`python -m benchmarks.alike`."""

from benchmarks.alike.study import main

main()
