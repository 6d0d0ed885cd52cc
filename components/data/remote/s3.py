"""Objects of S3, and of servers that speak it: listed, streamed, their length and digest compared with what was promised.

Endpoint and credentials are found as boto3 finds them (AWS_ENDPOINT_URL, profiles, roles); without any, the bucket is asked as
anybody would. boto3's own retries are off: one rule (Patience) for all that is fetched.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

from components.contracts.errors import CapabilityError, DataError
from components.data.remote.connection import PIECE_BYTES
from components.data.remote.http import PASSING, Said
from components.data.remote.part import Part
from components.data.remote.turns import Stopped, Turns
from components.data.remote.unfetched import Unfetched

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')  # the ETag of what was not sent in parts
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired", "RequestExpired"})
KEYS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "NotSignedUp"})
SLOW = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestTimeout"})


class S3:
    """Reads objects; one for all threads.

    Args:
        turns: how often one is asked for.
        stop: set when nothing more is wanted.
        page_keys: keys listed at once.
    """

    def __init__(self, turns: Turns, stop: threading.Event, page_keys: int = 1000) -> None:
        self.turns, self.stop, self.page_keys = turns, stop, page_keys
        self._lock, self._made, self._anonymous = threading.Lock(), None, False

    def fetch(self, url: str, file: BinaryIO, most_bytes: int, version: str = "") -> Said:
        """Write an object into an empty file, at most so many bytes, of that version where one is given.

        Raises Unfetched when the object does not come whole, DataError or CapabilityError when nothing of the bucket would.
        """
        bucket, key = bucket_and_key(url)
        part = Part(file)

        def attempt() -> Said:
            wanted = version or (part.validator if part.can_go_on else "")
            asked = {"IfMatch": wanted} if wanted else {}
            if part.can_go_on:
                asked["Range"] = f"bytes={part.came}-"
            with self.turns.of(f"s3://{bucket}"), self._faults(bucket, part, version):
                answer = self.connect().get_object(Bucket=bucket, Key=key, **asked)
                with closing(answer["Body"]) as body:  # as its own context it is the raw stream, and checks nothing
                    return self._written(answer, body, part, most_bytes)

        return self.turns.tried(attempt)

    def about(self, url: str) -> Said:
        """Return size and version of an object. Asks for it, and leaves it there: what HEAD says of a fault has no code."""
        bucket, key = bucket_and_key(url)

        def attempt() -> Said:
            with self.turns.of(f"s3://{bucket}"), self._faults(bucket):
                answer = self.connect().get_object(Bucket=bucket, Key=key)
                answer["Body"].close()
                return Said(size_bytes=answer["ContentLength"], version=answer.get("ETag", ""))

        return self.turns.tried(attempt)

    def below(self, url: str) -> Iterator[tuple[str, Said]]:
        """Yield (key, what is said of it) of the objects below `s3://bucket/folder`, in the order that the server has."""
        bucket, key = bucket_and_key(url)
        prefix, token = (key.rstrip("/") + "/" if key else ""), ""
        while True:
            page = self.turns.tried(lambda token=token: self._page(bucket, prefix, token))  # type: ignore[misc]
            for one in page.get("Contents", ()):
                if not one["Key"].endswith("/"):  # a folder, as consoles make them
                    yield one["Key"], Said(size_bytes=one["Size"], version=one.get("ETag", ""))
            token = page.get("NextContinuationToken", "")
            if not page.get("IsTruncated") or not token:
                return

    def _page(self, bucket: str, prefix: str, token: str) -> dict[str, Any]:
        more: dict[str, Any] = {"MaxKeys": self.page_keys} | ({"ContinuationToken": token} if token else {})
        with self.turns.of(f"s3://{bucket}"), self._faults(bucket):
            return dict(self.connect().list_objects_v2(Bucket=bucket, Prefix=prefix, **more))

    def _written(self, answer: dict[str, Any], body: Any, part: Part, most_bytes: int) -> Said:
        tag = answer.get("ETag", "")
        if answer.get("ContentRange") is None:
            part.begin(answer["ContentLength"], tag, promised(answer))
        elif not part.goes_on(answer["ContentRange"], tag):
            part.begin()  # the next try asks for all
            raise Unfetched("fetch_failed", "the rest that came is not the one that was asked for", transient=True)
        size = part.total or 0
        if size > most_bytes:
            raise Unfetched("no_picture", f"{size:,} bytes; at most {most_bytes:,} are read")
        while piece := body.read(PIECE_BYTES):
            if self.stop.is_set():
                raise Stopped
            part.write(piece)
        if part.came != size:
            raise Unfetched("fetch_failed", f"only {part.came:,} of {size:,} bytes came", transient=True)
        for kind, wanted in part.promised.items():
            if (has := part.digest(kind)) != wanted:
                part.begin()
                where = "its ETag" if kind == "MD5" else "S3"
                detail = f"its bytes have the {kind} {has}, and {where} promises {wanted}"
                raise Unfetched("fetch_failed", detail, transient=True)
        return Said(size_bytes=part.came, version=tag)

    def connect(self) -> Any:
        """Return the client; made, and credentials looked for, at the first call."""
        with self._lock:  # a session is not made for threads, a client is
            if self._made is None:
                import boto3
                from botocore import UNSIGNED
                from botocore.config import Config

                patience = self.turns.patience
                session = boto3.session.Session()
                self._anonymous = session.get_credentials() is None
                asked = {"signature_version": UNSIGNED} if self._anonymous else {}
                self._made = session.client(
                    "s3",
                    config=Config(
                        connect_timeout=patience.answer_s, read_timeout=patience.answer_s,
                        max_pool_connections=patience.a_host, retries={"total_max_attempts": 1}, **asked,
                    ),
                )  # fmt: skip
            return self._made

    @contextmanager
    def _faults(self, bucket: str, part: Part | None = None, version: str = "") -> Iterator[None]:
        """Turn what boto3 raises into what to do about it. Its own words are left out: they are the server's.

        Of a part that came, nothing is kept that cannot be gone on with.
        """
        from botocore import exceptions as boto

        try:
            yield
        except boto.ClientError as err:
            told = self._told(bucket, err.response)
            if part is not None and part.can_go_on and not version and status_of(err.response) in (412, 416):
                part.begin()  # it was replaced between two tries, and nobody asked for the one before
                told = Unfetched("fetch_failed", f"{told}, after a part of it had come", transient=True)
            raise told from err
        except boto.SSLError as err:
            raise DataError(
                "the certificate of the S3 endpoint is not to be trusted. Mend it, or AWS_CA_BUNDLE."
            ) from err
        except (
            boto.HTTPClientError,
            boto.ConnectionError,
            boto.IncompleteReadError,
            boto.FlexibleChecksumError,
        ) as err:
            said = ""
            if isinstance(err, boto.FlexibleChecksumError):
                said = "its bytes are not those of its checksum"
                if part is not None:
                    part.begin()
            detail = said or f"the connection to S3 broke or was not made ({type(err).__name__})"
            raise Unfetched("fetch_failed", detail, transient=True) from err
        except boto.ParamValidationError as err:
            raise DataError(f"s3://{bucket} is no name that a bucket and an object can have. Correct the URL.") from err
        except boto.BotoCoreError as err:
            raise CapabilityError(
                f"S3 cannot be asked, as this machine is set up ({type(err).__name__}). Look at AWS_PROFILE, ~/.aws and the AWS_ "
                "variables; `aws sts get-caller-identity` says who you are to them."
            ) from err

    def _told(self, bucket: str, response: dict[str, Any]) -> Exception:
        """Return the error for an answer of S3."""
        status = status_of(response)
        code = re.sub(r"[^A-Za-z0-9]", "", str(response.get("Error", {}).get("Code", "")))[:40]
        said = f"S3 answered {status} {code}"
        if code in EXPIRED:
            return DataError(
                f"{said}: the credentials for s3://{bucket} have expired. Log in again, such as by `aws sso login`."
            )
        if code in KEYS:
            return DataError(
                f"{said}: the credentials for s3://{bucket} are none it knows. Look at AWS_PROFILE and the AWS_ variables."
            )
        if code == "RequestTimeTooSkewed":
            return DataError(f"{said}: this machine's clock is wrong, and signatures with it. Set the clock.")
        if code == "NoSuchBucket":
            return DataError(
                f"{said}: there is no bucket {bucket}. Correct the URL, or AWS_ENDPOINT_URL where it lies elsewhere."
            )
        if status == 412:
            return Unfetched("fetch_failed", f"{said}: it is another one than was listed; it was changed meanwhile")
        if code == "InvalidObjectState":
            return Unfetched("fetch_failed", f"{said}: it lies in an archive. Restore it first")
        if status in PASSING or code in SLOW:
            return Unfetched("fetch_failed", said, transient=True)
        if status == 403:
            who = "no credentials were found, and anybody" if self._anonymous else "whoever your credentials stand for"
            return Unfetched(
                "fetch_failed", f"{said}: {who} may not read it. s3:ListBucket and s3:GetObject are needed"
            )
        return Unfetched("fetch_failed", f"{said}: it is not there" if status == 404 else said)


def promised(answer: dict[str, Any]) -> dict[str, str]:
    """Return kind -> digest of the whole object, of those that are known and can be computed."""
    digests = {}
    md5 = _MD5.fullmatch(answer.get("ETag", ""))
    if md5 and not answer.get("SSEKMSKeyId"):
        digests["MD5"] = md5[1]
    if answer.get("ChecksumCRC32") and answer.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        digests["CRC32"] = answer["ChecksumCRC32"]
    return {kind: digest for kind, digest in digests.items() if "-" not in digest}


def status_of(response: dict[str, Any]) -> int:
    """Return the status of an answer, 0 where it has none."""
    return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def bucket_and_key(url: str) -> tuple[str, str]:
    """Return ("bucket", "folder/name") of s3://bucket/folder/name, to the letter: keys may hold ? and #."""
    bucket, _, key = url.partition("://")[2].partition("/")
    return bucket, key
