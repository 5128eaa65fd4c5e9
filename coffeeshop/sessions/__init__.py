"""The life of a session: its log, its states, what ends it and what cleans up after it."""
