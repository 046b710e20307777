"""`python -m benchmarks.amun`."""

from benchmarks.amun.study import main

if __name__ == "__main__":
    main()
