"""`python -m benchmarks.lineage`: the arithmetic, and with --measured what is trained."""

from benchmarks.lineage.study import main

main()
