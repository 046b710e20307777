"""`python -m benchmarks.recipe`."""

from benchmarks.recipe.study import main

if __name__ == "__main__":
    main()
