import json
from pathlib import Path

import numpy as np

from benchmark.accuracy import labeled


def test_the_name_of_a_tsb_ad_csv_contains_part_and_prefix(tmp_path: Path) -> None:
    file = tmp_path / "003_UCR_id_7_Medical_tr_2_1st_3.csv"
    file.write_text("Data,Label\n1.5,0\n2.5,0\n3.5,0\n9.0,1\n")
    assert labeled.files_of(tmp_path) == [file]
    sample = labeled.read(file)
    assert (sample.corpus, sample.part, sample.prefix) == ("TSB-AD", "UCR", 2)
    assert sample.series.values.tolist() == [1.5, 2.5, 3.5, 9.0]
    assert sample.labels.tolist() == [False, False, False, True]


def test_an_npz_holds_values_labels_and_prefix_as_arrays(tmp_path: Path) -> None:
    file = tmp_path / "225_MGAB_id_1_Synthetic_tr_25000_1st_38478.npz"
    np.savez(file, x=np.array([1.0, 2.0, 3.0]), y=np.array([0, 1, 1]), tr=1)
    sample = labeled.read(file)
    assert (sample.part, sample.prefix, sample.labels.tolist()) == ("MGAB", 1, [False, True, True])


def test_a_nab_folder_is_recognized_by_its_windows(tmp_path: Path) -> None:
    """When daylight saving time ends, the repeated hour must not make time run backward."""
    (tmp_path / "data/realTraffic").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    hours = ["00:00", "01:00", "02:00", "01:30", "02:30", "03:00", *(f"{hour:02}:00" for hour in range(4, 18))]
    lines = [f"2014-10-26 {hour}:00,{place}.0" for place, hour in enumerate(hours)]
    file = tmp_path / "data/realTraffic/speed.csv"
    file.write_text("timestamp,value\n" + "\n".join(lines) + "\n")
    windows = [["2014-10-26 05:00:00.000000", "2014-10-26 06:00:00.000000"]]
    (tmp_path / "labels/combined_windows.json").write_text(json.dumps({"realTraffic/speed.csv": windows}))
    assert labeled.files_of(tmp_path) == [file]
    sample = labeled.read(file)
    assert (sample.corpus, sample.part, sample.name, sample.prefix) == ("NAB", "realTraffic", "speed", 3)
    assert np.flatnonzero(sample.labels).tolist() == [7, 8]
    assert (np.diff(sample.series.timestamps) > 0).all()
    assert np.diff(sample.series.timestamps).max() <= 3600
