"""`python -m tests.simulator.document`: run every check of the document, and print the counts."""

from .counting import run

counts = run()
for failure in counts.failures:
    print(failure)
print(counts)
