"""`python -m benchmarks.shrink`."""

from benchmarks.shrink.study import main

if __name__ == "__main__":
    main()
