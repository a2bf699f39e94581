"""Watching streams: store points, judge them and open alerts. The code shared by every process that does so."""
