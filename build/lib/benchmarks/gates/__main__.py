"""`python -m benchmarks.gates`."""

from benchmarks.gates.study import main

if __name__ == "__main__":
    main()
