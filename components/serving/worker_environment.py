"""What the gateway is given of the environment of whoever starts it: what its processes run by, and no password.

Its workers decode pictures of strangers, and ask no store, registry or server of flows; what breaks one should find in its environment, and in its keeper's, nothing that opens them.
"""

from collections.abc import Mapping

NAMES = frozenset({
    "PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TEMP", "TMP", "SQLITE_TMPDIR", "VIRTUAL_ENV", "TOKENIZERS_PARALLELISM",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
})  # fmt: skip
FAMILIES = (
    "LC_", "LD_", "GLIBC_", "MALLOC_", "PYTHON", "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "FAISS_", "XDG_", "OTEL_",
)  # fmt: skip
SPANS = "OTEL_EXPORTER_OTLP_ENDPOINT"  # where they are sent: with a header or by a proxy, either of which may have a password
SENDS_SPANS = ("OTEL_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
SECRET = ("TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "HEADERS", "_KEY", "_AUTH")
"""Parts of names of what opens something."""


def handed_on(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the gateway is given.

    Args:
        environment: all that there are.
    """
    spans = SENDS_SPANS if SPANS in environment else ()
    return {
        name: value
        for name, value in environment.items()
        if name in NAMES
        or name.upper().startswith(spans)
        or (name.startswith(FAMILIES) and not any(part in name for part in SECRET))
    }
