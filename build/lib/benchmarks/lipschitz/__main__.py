"""`python -m benchmarks.lipschitz`."""

from benchmarks.lipschitz.study import main

if __name__ == "__main__":
    main()
