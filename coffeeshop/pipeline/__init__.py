"""From a batch to an answer: plan, attempt at a task, ledger, records of the journals.

Pure: values in, values out. Actors, gateway and client call it; it knows none of them.
"""
