"""From the files of a data folder to batches: what a folder and a file hold, CSV and Parquet.

The client, the gateway and the page's uploads read by the same rules; nothing here knows HTTP.
"""
