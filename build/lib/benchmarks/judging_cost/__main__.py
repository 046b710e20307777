"""`python -m benchmarks.judging_cost`."""

from benchmarks.judging_cost.study import main

if __name__ == "__main__":
    main()
