"""Witnesses: simple judges of a point, most of them calibrated on held-out residuals; the largest ratio decides.

A witness learns what to expect of a point and how far normal points deviate from that. It returns a ratio: the residual
of a point divided by the boundary that normal points exceed with a given probability. Upper and lower residuals have
separate boundaries. The score of a point comes from its largest ratio.
"""
