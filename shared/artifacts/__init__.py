"""Artifacts: training data, states and training scores as immutable files. No name is ever used twice.

    training data    <series>/<job_id>.npz                    in TRAINING_DATA_FOLDER
    state            <series>/<job_id>.<attempt>.json | .npz  in MODEL_STATE_FOLDER
    training scores  <series>/<job_id>.<attempt>.scores.npz   in MODEL_STATE_FOLDER

Only the collector deletes artifacts.
"""

from dataclasses import dataclass
from pathlib import Path

from shared.artifacts.contract import Store
from shared.artifacts.keys import Key, data_key, scores_key, state_key
from shared.artifacts.local_folder import LocalFolder
from shared.artifacts.object_store import ObjectStore
from shared.settings import Settings

__all__ = ["Artifacts", "Key", "LocalFolder", "ObjectStore", "Store", "data_key", "scores_key", "state_key"]


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The store of training data, and the store of states and training scores."""

    data: Store
    states: Store

    @classmethod
    def of(cls, settings: Settings) -> "Artifacts":
        """Open the stores that the settings name."""
        return cls(_store(settings.training_data_folder, settings), _store(settings.model_state_folder, settings))


def _store(location: Path | str, settings: Settings) -> Store:
    return LocalFolder(location) if isinstance(location, Path) else ObjectStore(location, settings)
