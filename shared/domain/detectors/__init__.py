"""The registry: every module or package in here that defines `DETECTOR` is a detector."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from shared.domain.detectors.contract import Detector, Fitted, ParameterValues, Progress
from shared.domain.detectors.parameters import complete
from shared.domain.series import Series
from shared.errors import Code, InputError

DEFAULT = "baseline"


@cache
def registry() -> Mapping[str, Detector[Any]]:
    """All detectors by name."""
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    detectors = [module.DETECTOR for module in modules if hasattr(module, "DETECTOR")]
    return {detector.name: detector for detector in sorted(detectors, key=lambda detector: str(detector.name))}


def named(name: str) -> Detector[Any]:
    """Return the detector with that name; raise `InputError` that lists the known names."""
    try:
        return registry()[name]
    except KeyError:
        raise InputError(
            Code.UNKNOWN_DETECTOR, f"There is no such detector. There are: {', '.join(registry())}."
        ) from None


def learn(detector: Detector[Any], series: Series, parameters: ParameterValues, progress: Progress) -> Fitted:
    """Fit to the points outside the windows that the parameter `exclude` names.

    Parameters that are not given get their defaults: an earlier release may have accepted the job without them.
    """
    chosen = complete(detector.parameters, parameters)
    return Fitted(detector, detector.fit(series.without(chosen["exclude"]), chosen, progress))
