"""`python -m benchmarks.tune`."""

from benchmarks.tune.study import main

if __name__ == "__main__":
    main()
