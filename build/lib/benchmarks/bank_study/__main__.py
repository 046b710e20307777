"""`python -m benchmarks.bank_study`."""

from benchmarks.bank_study.study import main

if __name__ == "__main__":
    main()
