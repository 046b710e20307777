"""`python -m benchmarks.beside_privacy_meter`."""

from benchmarks.beside_privacy_meter.study import main

if __name__ == "__main__":
    main()
