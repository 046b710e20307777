"""`python -m benchmarks.rungs`."""

from benchmarks.rungs.study import main

if __name__ == "__main__":
    main()
