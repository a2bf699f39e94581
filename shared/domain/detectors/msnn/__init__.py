"""Multi-scale nearest neighbors: flags a window unlike any training window, at several lengths.

The score of a point is a weighted sum of four terms: the distance of the window that ends there from the nearest of a
bank of training windows, averaged over the window lengths; the same, smoothed over the last 64 points; the error of a
one-step forecast; and the distance from the usual level at its phase of a period. The held-out skill of forecast and
period sets the weight of the last two. Each term is relative to its 99th percentile.
"""

from shared.domain.detectors.msnn.detector import DETECTOR

__all__ = ["DETECTOR"]
