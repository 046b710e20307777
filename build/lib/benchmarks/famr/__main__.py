"""`python -m benchmarks.famr`."""

from benchmarks.famr.study import main

if __name__ == "__main__":
    main()
