"""`python -m benchmarks.coverage`."""

from benchmarks.coverage.study import main

if __name__ == "__main__":
    main()
