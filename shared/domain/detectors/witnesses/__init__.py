"""Witnesses: several simple looks at a point, each calibrated on held-out residuals, combined by their largest ratio.

A witness learns what it expects of a point and how far normal points stray from that. It answers with a ratio: the
residual of a point, divided by the boundary that normal points exceed with the probability it was given. Upper and
lower residuals have a boundary each. A point is as unusual as the largest of its ratios says.
"""
