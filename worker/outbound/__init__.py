"""Outbound: the only process that connects to addresses which users name. It reports changes of alerts to receivers."""
