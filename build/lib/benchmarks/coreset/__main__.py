"""`python -m benchmarks.coreset`."""

from benchmarks.coreset.study import main

if __name__ == "__main__":
    main()
