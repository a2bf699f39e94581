"""The messages of Prometheus remote write 1.0, described here because the protocol has only these three.

Labels stay bytes until a series is new: then an unreadable one concerns its series alone, and reading is faster. Fields
that are missing here, such as exemplars and metadata, are skipped.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from shared.errors import Code, InputError

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "tsad.remote_write"


def _message(name: str, *fields: tuple[int, str, int, bool, str]) -> descriptor_pb2.DescriptorProto:
    """Describe a message. fields: number, name, type, whether it is repeated, and the name of its message."""
    described = descriptor_pb2.DescriptorProto(name=name)
    for number, field_name, kind, repeated, message in fields:
        label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
        inner = f".{_PACKAGE}.{message}" if message else None
        described.field.append(_Field(name=field_name, number=number, type=kind, label=label, type_name=inner))
    return described


def _classes() -> tuple[Any, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="tsad/remote_write.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.extend(
        (
            _message("WriteRequest", (1, "timeseries", _Field.TYPE_MESSAGE, True, "TimeSeries")),
            _message(
                "TimeSeries",
                (1, "labels", _Field.TYPE_BYTES, True, ""),
                (2, "samples", _Field.TYPE_MESSAGE, True, "Sample"),
                (4, "histograms", _Field.TYPE_BYTES, True, ""),
            ),
            _message("Label", (1, "name", _Field.TYPE_BYTES, False, ""), (2, "value", _Field.TYPE_BYTES, False, "")),
            _message(
                "Sample", (1, "value", _Field.TYPE_DOUBLE, False, ""), (2, "timestamp", _Field.TYPE_INT64, False, "")
            ),
        )
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return tuple(
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in ("WriteRequest", "Label")
    )


WriteRequest, Label = _classes()


def decode(content: bytes) -> Any:
    """Return the `WriteRequest`; raise `InputError` if the content is not one."""
    try:
        return WriteRequest.FromString(content)
    except DecodeError:
        raise InputError(
            Code.INVALID_REQUEST, "The body is not a WriteRequest of Prometheus remote write 1.0."
        ) from None


def labels_of(encoded: tuple[bytes, ...]) -> dict[str, str]:
    """Return the labels of a series; raise `ValueError` if they are invalid."""
    labels: dict[str, str] = {}
    for item in encoded:
        try:
            label = Label.FromString(item)
            name, value = label.name.decode(), label.value.decode()
        except (DecodeError, UnicodeDecodeError):
            raise ValueError("a label is not UTF-8") from None
        if not name or "\x00" in name + value:
            raise ValueError("the name of a label is empty, or a label contains NUL")
        if name in labels:
            raise ValueError("a label occurs twice")
        labels[name] = value
    return {name: labels[name] for name in sorted(labels) if labels[name]}  # an empty label is a missing one
