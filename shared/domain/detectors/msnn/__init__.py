"""Multi-scale nearest neighbors: a window is unusual when nothing like it was there before, at any of several lengths.

Four things are added up for every point: the distance of the window that ends there from the nearest of a bank of
training windows, as a mean over the scales; the same, smoothed over the last 64 points; the error of a one-step
forecast; and the distance from what is usual at this place of a period. The last two weigh as much as they proved to
be worth on points held out. Each is divided by what is usual for it.
"""

from shared.domain.detectors.msnn.detector import DETECTOR

__all__ = ["DETECTOR"]
