"""One file a target. Each has:

UNIT            what is counted: "bytes" or "lines"
MAX_BYTES       the longest input
seeds()         inputs to begin with, from `tests/data` or written here
dictionary()    words worth inserting
run(data)       one input; returns how many units it had, raises when something does not hold

An input is any bytes: the first few choose settings, the rest is what is said. So every input means
something, and a mutation of a good input is another one.
"""
