"""What the service can do, by topic. Both clients have these methods."""

from tsad_client.operations.alerts import Alerts
from tsad_client.operations.fits import Fits
from tsad_client.operations.points import PointsOperations
from tsad_client.operations.predictions import Predictions
from tsad_client.operations.series import SeriesOperations
from tsad_client.operations.watches import Watches


class Operations(Fits, Predictions, PointsOperations, Watches, Alerts, SeriesOperations):
    """All operations."""
