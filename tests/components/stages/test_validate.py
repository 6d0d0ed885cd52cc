"""The model that params.yaml names is opened from the workspace, and only where one is named."""

import pytest

from components.contracts.errors import ConfigError
from components.recipes.params import Gates
from components.stages.validate import scoring_of
from tests.components.serving.tiny_package import make_package


def test_a_model_is_opened_where_one_is_named_with_its_bar(tmp_path):
    make_package(tmp_path / "models/tiny")
    scoring = scoring_of(Gates(max_broken=0, scored_by="models/tiny", misfit=2.5), tmp_path)
    assert scoring is not None
    assert scoring.scorer.name.startswith("tiny (")
    assert scoring.bar == 2.5
    assert scoring_of(Gates(max_broken=0), tmp_path) is None


def test_a_model_that_is_not_there_stops_the_stage(tmp_path):
    with pytest.raises(ConfigError, match="'models/none' is no model"):
        scoring_of(Gates(max_broken=0, scored_by="models/none"), tmp_path)
