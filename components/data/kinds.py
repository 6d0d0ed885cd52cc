"""The kinds of data that have a table beside the manifest. Pictures with words have none: the manifest is theirs."""

from components.data.documents import DOCUMENTS
from components.data.regions import REGIONS
from components.data.spans import SPANS

KINDS = (DOCUMENTS, REGIONS, SPANS)
