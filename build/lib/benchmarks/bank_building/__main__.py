"""`python -m benchmarks.bank_building`."""

from benchmarks.bank_building.study import main

if __name__ == "__main__":
    main()
