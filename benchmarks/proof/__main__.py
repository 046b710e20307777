"""`python -m benchmarks.proof`."""

from benchmarks.proof.study import main

main()
