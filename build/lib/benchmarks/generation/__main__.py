"""`python -m benchmarks.generation`."""

from benchmarks.generation.study import main

if __name__ == "__main__":
    main()
