"""Renders invoices as HTML; the functions that a host can call are in `plugin.py`."""
