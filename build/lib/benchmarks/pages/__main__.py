"""`python -m benchmarks.pages`: write every table again."""

from benchmarks.pages.writing import main

main()
