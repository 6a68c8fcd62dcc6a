"""What is done to a hub over the years: copied, upgraded, sealed, proven, and its master key changed.

Knows the ledger and the read tables; a running hub does these by the clock, the command line beside it.
"""
