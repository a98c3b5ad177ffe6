"""Everything that opens, decodes, changes, encodes or checks media. Runs in a killable child process.

Knows paths and values; knows nothing of brokers, tasks, retries or where results are finally put.
"""
