"""`python -m benchmarks.ulira`."""

from benchmarks.ulira.study import main

if __name__ == "__main__":
    main()
