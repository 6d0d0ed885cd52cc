"""What the gateway says of its API at /openapi.json, where FastAPI alone would say too much or too little.

Who asks may need a key, which is sent in one of two ways; and a body of a wrong shape is refused with 400, never with FastAPI's 422.
"""

from typing import Any

from fastapi import FastAPI

API = "/v1/"
SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key as diptych keys add makes it: dip_…"},
    "header": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same."},
}
FASTAPIS_OWN = ("HTTPValidationError", "ValidationError")  # schemas of its 422


class Described(FastAPI):
    """An application that describes itself so."""

    def openapi(self) -> dict[str, Any]:
        """Return the description, made once."""
        if self.openapi_schema is None:
            said = super().openapi()
            for path, ways in said["paths"].items():
                for operation in ways.values():
                    operation["responses"].pop("422", None)
                    if path.startswith(API):
                        operation["security"] = [{}, *({name: []} for name in SCHEMES)]  # {}: where no keys are in use
            for name in FASTAPIS_OWN:
                said["components"]["schemas"].pop(name, None)
            said["components"]["securitySchemes"] = SCHEMES
        assert self.openapi_schema is not None
        return self.openapi_schema
