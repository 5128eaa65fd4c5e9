"""From a batch to an answer: the plan, one attempt at a task, its ledger, the records of the journals.

Pure: values in, values out. Actors, gateway and client call it; it knows none of them.
"""
