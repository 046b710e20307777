"""`python -m benchmarks.groups`."""

from benchmarks.groups.study import main

if __name__ == "__main__":
    main()
