"""`python -m benchmarks.beside_sfr_on`."""

from benchmarks.beside_sfr_on.study import main

if __name__ == "__main__":
    main()
