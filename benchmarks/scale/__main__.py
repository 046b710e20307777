"""`python -m benchmarks.scale`."""

from benchmarks.scale.study import main

if __name__ == "__main__":
    main()
