"""`python -m benchmarks.ensembles`."""

from benchmarks.ensembles.study import main

if __name__ == "__main__":
    main()
