"""`python -m benchmarks.kept_memory`."""

from benchmarks.kept_memory.study import main

if __name__ == "__main__":
    main()
