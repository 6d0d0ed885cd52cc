"""Triton's gRPC as it is on the wire: HTTP/2 by h2 and Triton's own messages, without grpcio, whose checks would keep broken requests from being sent.

with Calls(endpoint.grpc) as calls:
    answer = calls.infer("embed_text", [tensor("text", "BYTES", (1, 1), text_bytes("red"))])
"""

import socket
import struct
import sys
import types
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import tritonclient
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

SERVICE = "/inference.GRPCInferenceService/"
HEAD = 9  # bytes before a frame of HTTP/2, three of which are its size
CODES = {
    0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND", 6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED",
    8: "RESOURCE_EXHAUSTED", 9: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED", 13: "INTERNAL", 14: "UNAVAILABLE",
}  # fmt: skip


def _messages() -> Any:
    """Return the types that tritonclient carries; its own package of them asks for grpcio, which they do not need."""
    name = "tritonclient.grpc"
    if f"{name}.service_pb2" not in sys.modules:
        package = types.ModuleType(name)
        package.__path__ = [str(Path(tritonclient.__file__).parent / "grpc")]
        sys.modules[name] = package
        try:
            import_module(f"{name}.service_pb2")
        finally:
            del sys.modules[name]
    return sys.modules[f"{name}.service_pb2"]


messages = _messages()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call came to.

    Args:
        code: name of gRPC's status; "RESET" where the stream was reset, "GONE" where the connection ended.
        message: the status' sentence, empty for OK.
        body: the message of the answer, empty without one.
    """

    code: str
    message: str
    body: bytes


class Calls:
    """One connection, one call at a time, and none after bytes that are no message: Triton answers these several times over.

    Args:
        address: host:port.
        timeout_s: seconds to wait for anything to come.
    """

    def __init__(self, address: str, timeout_s: float = 60.0) -> None:
        host, _, port = address.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=timeout_s)
        # Not validated: sentences of Triton's end with a space, which HTTP/2 forbids.
        self._h2 = H2Connection(
            H2Configuration(client_side=True, header_encoding="utf-8", validate_inbound_headers=False)
        )
        self._h2.initiate_connection()
        self._frames = b""
        self._flush()

    def __enter__(self) -> "Calls":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, message: Any, headers: dict[str, str] | None = None) -> Answer:
        """Return the answer to a method of Triton's service; `message` is one of its own, or any bytes in its place."""
        body = message if isinstance(message, bytes) else message.SerializeToString()
        stream = self._h2.get_next_available_stream_id()
        head = {
            ":method": "POST", ":scheme": "http", ":path": SERVICE + method, ":authority": "localhost", "te": "trailers", "content-type": "application/grpc",
        }  # fmt: skip
        self._h2.send_headers(stream, list((head | (headers or {})).items()))
        left = b"\0" + struct.pack(">I", len(body)) + body
        said: dict[str, str] = {}
        got = b""
        while True:
            size = min(len(left), self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size)
            if left and size:
                self._h2.send_data(stream, left[:size], end_stream=size == len(left))
                left = left[size:]
                self._flush()
                continue
            frame = self._frame()
            if not frame:
                return Answer(code="GONE", message="", body=got[5:])
            for event in self._h2.receive_data(frame):
                if isinstance(event, ConnectionTerminated):
                    return Answer(code="GONE", message="", body=got[5:])
                if getattr(event, "stream_id", None) != stream:
                    continue
                if isinstance(event, ResponseReceived | TrailersReceived):
                    said |= dict(event.headers)
                elif isinstance(event, DataReceived):
                    got += event.data
                    self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, StreamReset) and "grpc-status" not in said:
                    return Answer(code="RESET", message="", body=got[5:])
                elif isinstance(event, StreamEnded | StreamReset):
                    self._flush()
                    code = CODES.get(int(said.get("grpc-status", 2)), "UNKNOWN")
                    return Answer(code=code, message=unquote(said.get("grpc-message", "")), body=got[5:])
            self._flush()

    def infer(self, model: str, inputs: list[tuple[Any, bytes]], version: str = "", **more: Any) -> Answer:
        """Return the answer of a model to tensors as `tensor` makes them."""
        request = messages.ModelInferRequest(model_name=model, model_version=version, **more)
        for described, raw in inputs:
            request.inputs.append(described)
            request.raw_input_contents.append(raw)
        return self.call("ModelInfer", request)

    def _frame(self) -> bytes:
        """Return the next frame of HTTP/2, empty where the connection has ended."""
        while len(self._frames) < HEAD or len(self._frames) < HEAD + int.from_bytes(self._frames[:3], "big"):
            came = self._socket.recv(1 << 16)
            if not came:
                return b""
            self._frames += came
        size = HEAD + int.from_bytes(self._frames[:3], "big")
        frame, self._frames = self._frames[:size], self._frames[size:]
        return frame

    def _flush(self) -> None:
        self._socket.sendall(self._h2.data_to_send())


def tensor(name: str, kind: str, shape: tuple[int, ...], raw: bytes) -> tuple[Any, bytes]:
    """Return a tensor of a request, and its bytes, which may be others than it says."""
    return messages.ModelInferRequest.InferInputTensor(name=name, datatype=kind, shape=list(shape)), raw


def text_bytes(*texts: str | bytes) -> bytes:
    """Return texts as a tensor of BYTES has them: the length of each before it."""
    parts = (text.encode() if isinstance(text, str) else text for text in texts)
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)
