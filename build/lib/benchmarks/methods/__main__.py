"""`python -m benchmarks.methods`."""

from benchmarks.methods.study import main

if __name__ == "__main__":
    main()
