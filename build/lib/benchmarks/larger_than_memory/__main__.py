"""`python -m benchmarks.larger_than_memory`."""

from benchmarks.larger_than_memory.study import main

if __name__ == "__main__":
    main()
