"""`python -m benchmarks.whole_runs`."""

from benchmarks.whole_runs.study import main

if __name__ == "__main__":
    main()
