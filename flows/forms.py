"""What the forms of the deployments take for names and reasons: Prefect's page shows it, and refuses the rest before anything runs.

Names have patterns instead of lists of what there is, so that a recipe or a model that came after `prefect deploy` can be asked for.
"""

from typing import Annotated

from pydantic import Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$", max_length=200)]
"""A recipe, a scale, a source or a stage: what `components.stages.place.address` takes."""
Compared = Annotated[str, Field(pattern=r"^(\w+\+)?\w+(:[1-9]\d*)?$", max_length=420)]
"""A recipe that is compared, or one after another, such as clip+clip_refine:40."""
Model = Annotated[str, Field(pattern=r"^[^/:@]+$", max_length=250)]
"""A registered model, by as much as MLflow takes for a name."""
Version = Annotated[str, Field(pattern=r"^[\w.\-]+@\w+$", max_length=500)]
"""A version of a registered model, by number or alias, such as clip@3."""
VersionOrAny = Annotated[str, Field(pattern=r"^([^/:@]+@\w+)?$", max_length=500)]
"""A version, or nothing where it may be any."""
Reason = Annotated[str, Field(max_length=5000)]
"""A person's sentence, which is kept with versions."""
