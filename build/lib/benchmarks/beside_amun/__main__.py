"""`python -m benchmarks.beside_amun`."""

from benchmarks.beside_amun.study import main

if __name__ == "__main__":
    main()
