"""The 2017 document, chapters 2 to 8, on `doc-v1`: each statement in our words, and the checks of it.

`python -m tests.simulator.document` runs all checks and prints the counts. chapter_2_3.py, chapter_4.py and
chapter_5.py have the statements, chapter_6_8.py what is left; checking.py says how a check is written.
"""
