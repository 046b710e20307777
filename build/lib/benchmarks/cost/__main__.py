"""`python -m benchmarks.cost`."""

from benchmarks.cost.study import main

if __name__ == "__main__":
    main()
